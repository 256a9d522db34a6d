package main

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// Sizes in pixels: of a character, of a line, and of the margin.
const (
	charWidth  = 8.4
	lineHeight = 18
	margin     = 14
)

// frame is what the screen has shown from a moment on.
type frame struct {
	at   time.Duration
	rows []string // of SVG
}

// frameOf draws a screen, with the cursor.
func frameOf(at time.Duration, t *screen) frame {
	f := frame{at: at}
	for i, r := range t.cells {
		cells := append([]cell(nil), r...)
		if i == t.row && t.column < t.columns && t.main == nil {
			cells[t.column].s.inverse = true
		}
		f.rows = append(f.rows, rowOf(cells))
	}
	return f
}

// rowOf is a line of the screen, as runs of cells that look alike.
func rowOf(cells []cell) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		j := i + 1
		for j < len(cells) && cells[j].s == cells[i].s {
			j++
		}
		run(&b, i, cells[i:j])
		i = j
	}
	return b.String()
}

func run(b *strings.Builder, column int, cells []cell) {
	var text strings.Builder
	for _, c := range cells {
		if c.r == 0 {
			c.r = ' '
		}
		text.WriteRune(c.r)
	}
	s := cells[0].s
	if s.inverse {
		fmt.Fprintf(b, `<rect x="%.1f" width="%.1f" height="%d" class="i"/>`, float64(column)*charWidth, float64(len(cells))*charWidth, lineHeight)
	}
	shown := strings.TrimRight(text.String(), " ")
	if shown == "" {
		return
	}
	begin := len(shown)
	shown = strings.TrimLeft(shown, " ")
	column += begin - len(shown)
	width := float64(len([]rune(shown))) * charWidth
	shown = strings.ReplaceAll(shown, " ", "\u00a0") // others are drawn as one
	fmt.Fprintf(b, `<text x="%.1f" y="13" textLength="%.1f"%s>%s</text>`, float64(column)*charWidth, width, s.class(), html.EscapeString(shown))
}

// class is the style sheet's word for a style.
func (s style) class() string {
	var all []string
	if s.bold {
		all = append(all, "b")
	}
	if s.dim {
		all = append(all, "d")
	}
	if s.inverse {
		all = append(all, "v")
	}
	if s.color != 0 {
		all = append(all, fmt.Sprintf("c%d", s.color))
	}
	if all == nil {
		return ""
	}
	return fmt.Sprintf(` class="%s"`, strings.Join(all, " "))
}

const styleSheet = `text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d8dee9}
.b{font-weight:bold}.d{opacity:.6}.i{fill:#d8dee9}.v{fill:#1e222a}.c31{fill:#ff6c6b}.c33{fill:#ecbe7b}
`

// film is the whole recording: the frames side by side, moved past a window, which shows the last where nothing moves.
// Lines that come again are drawn once.
func film(frames []frame, length time.Duration, rows, columns int) string {
	width, height := float64(columns)*charWidth, rows*lineHeight
	stride := width + 2*charWidth // letters may reach beyond their cells
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 %.0f %d">`+"\n<style>%s", width+2*margin, height+2*margin, styleSheet)
	b.WriteString("@keyframes film{")
	for i, f := range frames {
		fmt.Fprintf(&b, "%.3f%%{transform:translateX(%.1fpx)}", 100*f.at.Seconds()/length.Seconds(), -float64(i)*stride)
	}
	fmt.Fprintf(&b, "}.film{animation:film %.1fs step-end infinite}@media(prefers-reduced-motion:reduce){.film{animation:none}}</style>\n", length.Seconds())
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="#1e222a"/>`+"\n")
	numbers := map[string]int{}
	var defs, strip strings.Builder
	for i, f := range frames {
		fmt.Fprintf(&strip, `<g transform="translate(%.1f)">`, float64(i)*stride)
		for y, r := range f.rows {
			if r == "" {
				continue
			}
			if _, ok := numbers[r]; !ok {
				numbers[r] = len(numbers)
				fmt.Fprintf(&defs, `<g id="r%d">%s</g>`+"\n", numbers[r], r)
			}
			fmt.Fprintf(&strip, `<use xlink:href="#r%d" y="%d"/>`, numbers[r], y*lineHeight)
		}
		strip.WriteString("</g>\n")
	}
	fmt.Fprintf(&b, "<defs>\n%s</defs>\n", defs.String())
	fmt.Fprintf(&b, `<svg x="%d" y="%d" width="%.1f" height="%d"><g class="film" transform="translate(%.1f)">`+"\n%s</g></svg>\n</svg>\n",
		margin, margin, width, height, -float64(len(frames)-1)*stride, strip.String())
	return b.String()
}
