package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// style is how a cell looks.
type style struct {
	bold, dim, inverse bool
	color              int // 31 and on, of ECMA-48; 0 for the terminal's own
}

type cell struct {
	r rune
	s style
}

// screen is a terminal of fixed size. It knows what the shell and the commands of a recording send, no more.
type screen struct {
	rows, columns int
	cells, main   [][]cell // main is kept while the second screen is shown
	row, column   int
	mainRow       int
	mainColumn    int
	s             style
	rest          []byte // of a sequence that is not complete
}

func newScreen(rows, columns int) *screen {
	return &screen{rows: rows, columns: columns, cells: blank(rows, columns)}
}

func blank(rows, columns int) [][]cell {
	all := make([][]cell, rows)
	for i := range all {
		all[i] = make([]cell, columns)
	}
	return all
}

// write shows what a program has sent.
func (t *screen) write(b []byte) {
	b = append(t.rest, b...)
	for len(b) > 0 {
		n := t.take(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	t.rest = append([]byte(nil), b...)
}

// take does what stands first, and returns how long that is; 0 if its end has not come yet.
func (t *screen) take(b []byte) int {
	switch b[0] {
	case '\x1b':
		return t.escape(b)
	case '\r':
		t.column = 0
	case '\n':
		t.newline()
	case '\b':
		t.column = max(0, t.column-1)
	case '\a':
	default:
		if !utf8.FullRune(b) {
			return 0
		}
		r, n := utf8.DecodeRune(b)
		t.put(r)
		return n
	}
	return 1
}

func (t *screen) put(r rune) {
	if t.column == t.columns {
		t.column = 0
		t.newline()
	}
	t.cells[t.row][t.column] = cell{r, t.s}
	t.column++
}

func (t *screen) newline() {
	if t.row < t.rows-1 {
		t.row++
		return
	}
	t.cells = append(t.cells[1:len(t.cells):len(t.cells)], make([]cell, t.columns))
}

// escape takes a control sequence: ESC [, parameters, a letter.
func (t *screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != '[' {
		return 2
	}
	for i := 2; i < len(b); i++ {
		if b[i] >= '@' && b[i] <= '~' {
			t.control(b[i], string(b[2:i]))
			return i + 1
		}
	}
	return 0
}

func (t *screen) control(letter byte, parameters string) {
	switch letter {
	case 'H':
		t.row, t.column = 0, 0
	case 'J':
		clear(t.cells[t.row][t.column:])
		for _, r := range t.cells[t.row+1:] {
			clear(r)
		}
	case 'K':
		clear(t.cells[t.row][min(t.column, t.columns-1):])
	case 'h', 'l':
		if parameters == "?1049" {
			t.second(letter == 'h')
		}
	case 'm':
		for p := range strings.SplitSeq(parameters, ";") {
			n, _ := strconv.Atoi(p)
			t.s.set(n)
		}
	}
}

func (t *screen) second(on bool) {
	if on {
		t.main, t.mainRow, t.mainColumn = t.cells, t.row, t.column
		t.cells = blank(t.rows, t.columns)
		return
	}
	t.cells, t.row, t.column = t.main, t.mainRow, t.mainColumn
	t.main = nil
}

func (s *style) set(n int) {
	switch {
	case n == 0:
		*s = style{}
	case n == 1:
		s.bold = true
	case n == 2:
		s.dim = true
	case n == 7:
		s.inverse = true
	case n >= 31 && n <= 37:
		s.color = n
	}
}
