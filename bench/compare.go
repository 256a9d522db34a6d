package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// action is something that is measured.
type action struct {
	name string
	// prepare is done once for each tool before; nil is nothing.
	prepare func(*tool) error
	// do is measured.
	do func(*tool, *meter) error
	// floor is the same for the floor; nil where there is none.
	floor func(*meter) error
	// finish is done once for each tool afterwards; nil is nothing.
	finish func(*tool) error
	// per is how many containers or commands one do handles; 0 is one.
	per int
	// rounds is how often; 0 is as the flag says.
	rounds int
}

// contender is a row of a table in the making.
type contender struct {
	name   string
	tool   *tool // nil for the floor
	do     func(*meter) error
	costs  []cost
	failed error
}

// compare measures an action for everybody, in turns, and returns the rows of the table.
func (b *bench) compare(a action) ([]row, error) {
	contenders := b.contenders(a)
	rounds := a.rounds
	if rounds == 0 {
		rounds = b.rounds
	}
	for round := -1; round < rounds; round++ { // the first one warms up
		for i := range contenders {
			c := contenders[(i+max(round, 0))%len(contenders)]
			if c.failed != nil {
				continue
			}
			if err := b.interrupted(); err != nil {
				return nil, err
			}
			if took, err := b.once(c.do, a.per); err != nil {
				c.failed = err
				b.clear(c.tool)
			} else if round >= 0 {
				c.costs = append(c.costs, took)
			}
		}
	}
	var rows []row
	for _, c := range contenders {
		if a.finish != nil && c.tool != nil {
			if err := a.finish(c.tool); c.failed == nil {
				c.failed = err
			}
		}
		rows = append(rows, b.row(a, c))
	}
	return ratios(rows), nil
}

func (b *bench) contenders(a action) []*contender {
	var all []*contender
	for _, t := range b.tools {
		c := &contender{name: t.name, tool: t, do: func(m *meter) error { return a.do(t, m) }}
		if a.prepare != nil {
			c.failed = a.prepare(t)
		}
		all = append(all, c)
	}
	if a.floor != nil && b.floor != "" {
		all = append(all, &contender{name: "floor", do: a.floor})
	}
	return all
}

// once measures one go.
func (b *bench) once(do func(*meter) error, per int) (cost, error) {
	m := b.newMeter()
	m.sweep()
	m.used = cost{}
	begin := time.Now()
	err := do(m)
	wall := time.Since(begin)
	m.sweep()
	n := int64(max(per, 1))
	return cost{cpu: m.used.cpu / time.Duration(n), wall: wall / time.Duration(n), faults: m.used.faults / n}, err
}

// row makes the row of a contender. What mydocker could not do fails the run in the end.
func (b *bench) row(a action, c *contender) row {
	r := row{action: a.name, name: c.name}
	if c.failed != nil {
		r.note = strings.ReplaceAll(c.failed.Error(), b.dir, "…")
		if c.name == "mydocker" {
			b.problems = append(b.problems, a.name+": "+r.note)
		}
		return r
	}
	var cpu, wall []time.Duration
	var faults []int64
	for _, k := range c.costs {
		cpu, wall, faults = append(cpu, k.cpu), append(wall, k.wall), append(faults, k.faults)
	}
	r.cpu, r.wall = spread(cpu), spread(wall)
	slices.Sort(faults)
	r.faults = faults[len(faults)/2]
	return r
}

// section measures actions and prints them as one table.
func (b *bench) section(title string, actions ...action) error {
	var rows []row
	for _, a := range actions {
		more, err := b.compare(a)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	b.table(title, rows)
	if !b.short {
		b.problems = append(b.problems, slower(rows, b.max)...)
	}
	return nil
}

// verdict is the error that the run ends with, nil when all is well.
func (b *bench) verdict() error {
	if len(b.problems) == 0 {
		return nil
	}
	text := "not as it should be:"
	for _, p := range b.problems {
		text += "\n  " + p
	}
	return fmt.Errorf("%s", text)
}
