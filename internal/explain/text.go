package explain

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Control sequences of terminals (ECMA-48, SGR).
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

// Unbroken is the width of lines that are for programs: grep finds the field of a step in the line of the step.
const Unbroken = 1 << 20

// Text writes the document for people. Lines are broken at width columns where they can be.
func (d *Document) Text(w io.Writer, color bool, width int) error {
	t := &text{color: color, width: max(width, 40)}
	t.line(0, bold, "container "+d.ID, "")
	for _, f := range [...]struct{ name, value string }{
		{"bundle", d.Bundle}, {"root filesystem", d.Rootfs}, {"caller", d.Caller}, {"cgroups", d.Cgroups},
	} {
		t.line(0, plain, "  "+f.name+": "+f.value, "")
	}
	before := ""
	for i := range d.Steps {
		s := &d.Steps[i]
		if head := heading(s); head != before {
			t.b.WriteByte('\n')
			t.line(0, bold, head, "")
			before = head
		}
		number := strconv.Itoa(s.Number)
		t.line(6, plain, strings.Repeat(" ", 4-min(len(number), 4))+number+"  "+s.Text, s.Field)
		for _, p := range s.Parts {
			if p.Field == s.Field {
				p.Field = "" // it has been said
			}
			t.line(10, plain, "        "+p.Text, p.Field)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

func heading(s *Step) string {
	switch {
	case s.Who == Init && s.Phase == "start":
		return "init, when the container is started"
	case s.Who == Init:
		return "init, inside"
	case s.Who == Child:
		return "child, on its way to init"
	}
	return "runtime, at " + s.Phase
}

type text struct {
	b     strings.Builder
	color bool
	width int
}

// line writes a line with its field at the right. What is longer than the width goes on below, indented.
func (t *text) line(indent int, style, words, field string) {
	var lines []string
	for utf8.RuneCountInString(words) > t.width {
		at := breakAt(words, t.width, indent)
		if at < 0 {
			break
		}
		lines = append(lines, words[:at])
		words = strings.Repeat(" ", indent) + words[at+1:]
	}
	for i, l := range append(lines, words) {
		if t.color && style != plain {
			l = style + l + plain
		}
		t.b.WriteString(l)
		if i == len(lines) && field != "" {
			t.field(words, indent, field)
		}
		t.b.WriteByte('\n')
	}
}

// fieldColumn is where fields stand, where there is room.
const fieldColumn = 62

func (t *text) field(words string, indent int, field string) {
	used := utf8.RuneCountInString(words)
	switch room := t.width - utf8.RuneCountInString(field); {
	case used+2 <= min(fieldColumn, room):
		t.b.WriteString(strings.Repeat(" ", min(fieldColumn, room)-used))
	case used+2 <= room:
		t.b.WriteString("  ")
	default:
		t.b.WriteString("\n" + strings.Repeat(" ", max(min(fieldColumn, room), indent)))
	}
	if t.color {
		field = dim + field + plain
	}
	t.b.WriteString(field)
}

// breakAt is the last space at which a line can be broken, -1 without.
func breakAt(words string, width, indent int) int {
	columns, at := 0, -1
	for i, r := range words {
		if columns++; columns > width+1 {
			break
		}
		if r == ' ' && i > indent {
			at = i
		}
	}
	return at
}
