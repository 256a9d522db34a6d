package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// svg collects the elements of a picture.
type svg struct{ b strings.Builder }

const style = `text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .title { font-size: 15px; font-weight: 600 } .dim { fill: #656d76 }
.field { font: 11px ui-monospace, Menlo, Consolas, monospace; fill: #57606a }`

// finish gives the picture its frame: it has a background of its own, to be read on dark pages, too.
func (s *svg) finish(width, height int, title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>%s</style>
<rect width="%d" height="%d" rx="8" fill="#ffffff" stroke="#d0d7de"/>
%s</svg>
`, width, height, width, height, escape(title), style, width, height, s.b.String())
}

func (s *svg) rect(x, y, width, height float64, fill, stroke string) {
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="%s" stroke="%s"/>`+"\n", x, y, width, height, fill, stroke)
}

func (s *svg) line(x1, y1, x2, y2 float64, stroke string) {
	fmt.Fprintf(&s.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, stroke)
}

// text writes a line; anchor is start, middle or end.
func (s *svg) text(x, y float64, class, anchor, words string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escape(words))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// shorten cuts a text to n characters.
func shorten(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}
