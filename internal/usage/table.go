package usage

import (
	"math"
	"strconv"
	"strings"

	"mydocker/internal/cgroups"
	"mydocker/internal/container"
	"mydocker/internal/size"
)

// column is a column of the table. The width is the least one.
type column struct {
	name  string
	width int
	right bool
	text  func(u *Usage) string
}

func columns() []column {
	return []column{
		{"ID", 12, false, func(u *Usage) string { return u.ID }},
		{"STATUS", 8, false, func(u *Usage) string { return u.Status }},
		{"CPU%", 6, true, func(u *Usage) string { return percent(u.CPU.Percent) }},
		{"MEMORY", 6, true, func(u *Usage) string { return size.Format(float64(u.Memory.Used())) }},
		{"LIMIT", 6, true, memoryLimit},
		{"MEM%", 5, true, memoryPercent},
		{"PIDS", 5, true, func(u *Usage) string { return strconv.FormatUint(u.Pids.Current, 10) }},
		{"READ/s", 7, true, func(u *Usage) string { return size.Format(u.IO.ReadRate) }},
		{"WRITE/s", 7, true, func(u *Usage) string { return size.Format(u.IO.WriteRate) }},
		{"PRESSURE", 8, false, pressure},
	}
}

// Table is the readings as lines for people, the first one with the names of the columns. Lines are cut to the width, 0
// for none: first the IDs become shorter, down to the 12 characters by which engines show them.
func Table(all []*Usage, width int) []string {
	cols := columns()
	cells := make([][]string, len(all)+1)
	for _, c := range cols {
		cells[0] = append(cells[0], c.name)
	}
	for i, u := range all {
		cells[i+1] = row(u, cols)
	}
	for i := range cols {
		for _, r := range cells {
			if i < len(r) {
				cols[i].width = max(cols[i].width, len(r[i]))
			}
		}
	}
	if width > 0 {
		cols[0].width = max(12, min(cols[0].width, width-widthOf(cols[1:])-2))
	}
	lines := make([]string, len(cells))
	for i, r := range cells {
		lines[i] = Cut(line(r, cols), width)
	}
	return lines
}

// row is the cells of a container. One without figures has its error, or nothing, in their place.
func row(u *Usage, cols []column) []string {
	r := make([]string, 0, len(cols))
	for _, c := range cols {
		r = append(r, c.text(u))
	}
	switch {
	case u.Error != "":
		return append(r[:2], u.Error)
	case u.Status == container.Stopped || u.Status == container.Creating:
		return r[:2]
	}
	return r
}

func widthOf(cols []column) int {
	n := 2 * (len(cols) - 1)
	for _, c := range cols {
		n += c.width
	}
	return n
}

func line(cells []string, cols []column) string {
	var b strings.Builder
	for i, text := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		c := &cols[i]
		if i == 0 {
			text = Cut(text, c.width)
		}
		padding := strings.Repeat(" ", max(0, c.width-len([]rune(text))))
		// An error takes the place of all that follows.
		if c.right && len(cells) == len(cols) {
			b.WriteString(padding + text)
		} else {
			b.WriteString(text + padding)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Cut cuts a text to a width, 0 for none.
func Cut(s string, width int) string {
	r := []rune(s)
	if width <= 0 || len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

func percent(p float64) string { return strconv.FormatFloat(math.Max(p, 0), 'f', 1, 64) }

func memoryLimit(u *Usage) string {
	if u.Memory.Limit == nil {
		return "-"
	}
	return size.Format(float64(*u.Memory.Limit))
}

func memoryPercent(u *Usage) string {
	if u.Memory.Percent == nil {
		return "-"
	}
	return percent(*u.Memory.Percent)
}

// pressure names the resources for which processes had to wait, with the share of the last ten seconds.
func pressure(u *Usage) string {
	if u.Pressure == (Pressure{}) {
		return "-"
	}
	var waits []string
	for _, r := range []struct {
		name string
		psi  *cgroups.PSI
	}{{"cpu", u.Pressure.CPU}, {"memory", u.Pressure.Memory}, {"io", u.Pressure.IO}} {
		if r.psi != nil && r.psi.Some.Avg10 >= 0.5 {
			waits = append(waits, r.name+" "+strconv.FormatFloat(r.psi.Some.Avg10, 'f', 0, 64)+"%")
		}
	}
	if waits == nil {
		return "none"
	}
	return strings.Join(waits, " ")
}
