package main

import (
	"fmt"
	"slices"
	"strings"
)

// event is an event of a trace, times in microseconds.
type event struct {
	Name  string
	Phase string  `json:"ph"`
	Begin float64 `json:"ts"`
	Dur   float64
	Pid   int
	Args  map[string]string
}

func (e *event) end() float64 { return e.Begin + e.Dur }

// Sizes of the picture of a trace.
const (
	width      = 960
	names      = 300 // where the time begins
	times      = 66  // room for durations at the right
	row        = 17
	leastShare = 0.004 // of the whole time, for a bar of its own
)

// drawTrace draws what happens until the program is executed: a bar a row, the runtime's in one colour, init's in
// another.
func drawTrace(events []event) string {
	bars, processes := pick(events)
	begin, end := bars[0].Begin, bars[0].end()
	for i := range bars {
		end = max(end, bars[i].end())
	}
	long := slices.DeleteFunc(slices.Clone(bars), func(e event) bool { return e.Dur < leastShare*(end-begin) })
	s := &svg{}
	scale := float64(width-names-times) / (end - begin)
	top := 62.0
	s.text(16, 28, "title", "start", fmt.Sprintf("From `mydocker run` to the program: %.1f ms", (end-begin)/1000))
	s.text(16, 46, "dim", "start", fmt.Sprintf("runtime (blue) and init (green), as --trace recorded them; %d steps of less than %.0f µs each are left out",
		len(bars)-len(long), leastShare*(end-begin)))
	bottom := top + float64(row*len(long))
	for ms := 0.0; ms*1000 <= end-begin; ms += spacing(end - begin) {
		x := names + ms*1000*scale
		s.line(x, top, x, bottom+4, "#eaeef2")
		s.text(x, bottom+18, "dim", "middle", fmt.Sprintf("%g ms", ms))
	}
	for i := range long {
		e := &long[i]
		y := top + float64(row*i)
		fill, stroke := "#54aeff", "#0969da"
		if e.Pid != processes[0] {
			fill, stroke = "#4ac26b", "#1a7f37"
		}
		s.text(names-10, y+12, "", "end", shorten(e.Name, 46))
		x := names + (e.Begin-begin)*scale
		s.rect(x, y+2, max(e.Dur*scale, 1.5), row-4, fill, stroke)
		s.text(x+max(e.Dur*scale, 1.5)+5, y+12, "dim", "start", duration(e.Dur))
	}
	return s.finish(width, int(bottom)+32, "Bars of the phases of a start along the time")
}

// pick leaves out what comes after the program is executed, and the whole command.
func pick(events []event) (bars []event, processes []int) {
	end := 0.0
	for i := range events {
		switch e := &events[i]; {
		case e.Phase == "M":
			processes = append(processes, e.Pid)
		case e.Name == "execute program":
			end = e.end()
		}
	}
	for _, e := range events {
		if e.Phase == "X" && e.end() <= end && !strings.HasPrefix(e.Name, "mydocker ") {
			e.Name, _, _ = strings.Cut(e.Name, " (")
			if dir, ok := strings.CutPrefix(e.Name, "root filesystem "); ok && dir != "" {
				e.Name = "root filesystem"
			}
			bars = append(bars, e)
		}
	}
	return bars, processes
}

// spacing is the distance of the lines of the scale, in ms.
func spacing(whole float64) float64 {
	for _, s := range []float64{0.5, 1, 2, 5, 10, 20, 50} {
		if whole/1000/s <= 10 {
			return s
		}
	}
	return 100
}

func duration(us float64) string {
	if us < 1000 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}
