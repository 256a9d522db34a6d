package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// span is a median and the middle 80 % of what was measured.
type span struct{ median, low, high time.Duration }

// row is what one contender takes for one action.
type row struct {
	action, name       string
	cpu, wall          span
	faults             int64
	cpuRatio, wallTime float64 // as multiples of mydocker's; 0 when not known
	note               string  // why there is no number
}

// spread sums durations up. Of none it is zero.
func spread(d []time.Duration) span {
	if len(d) == 0 {
		return span{}
	}
	d = slices.Sorted(slices.Values(d))
	at := func(percent int) time.Duration { return d[(len(d)-1)*percent/100] }
	return span{median: (d[(len(d)-1)/2] + d[len(d)/2]) / 2, low: at(10), high: at(90)}
}

// ratios fills in the multiples of the row named mydocker.
func ratios(rows []row) []row {
	i := slices.IndexFunc(rows, func(r row) bool { return r.name == "mydocker" && r.note == "" })
	if i < 0 || rows[i].cpu.median == 0 || rows[i].wall.median == 0 {
		return rows
	}
	for j := range rows {
		rows[j].cpuRatio = float64(rows[j].cpu.median) / float64(rows[i].cpu.median)
		rows[j].wallTime = float64(rows[j].wall.median) / float64(rows[i].wall.median)
	}
	return rows
}

// slower names the actions for which mydocker takes more CPU than limit times a peer's. The floor is no peer.
func slower(rows []row, limit float64) []string {
	var names []string
	for _, r := range rows {
		if r.name == "mydocker" || r.name == "floor" || r.note != "" || r.cpuRatio == 0 {
			continue
		}
		if mine := 1 / r.cpuRatio; mine > limit {
			names = append(names, fmt.Sprintf("%s: %.2f times the CPU of %s", r.action, mine, r.name))
		}
	}
	return names
}

// table prints rows.
func (b *bench) table(title string, rows []row) {
	b.rows = append(b.rows, rows...)
	b.say("\n### %s\n\n| | | CPU, ms | × | wall, ms | × | page faults |\n|---|---|---|---|---|---|---|", title)
	last := ""
	for _, r := range rows {
		name := r.action
		if name == last {
			name = ""
		}
		last = r.action
		if r.note != "" {
			b.say("| %s | %s | – %s | | | | |", name, r.name, strings.NewReplacer("|", `\|`, "\n", " ").Replace(r.note))
			continue
		}
		b.say("| %s | %s | %s | %.2f | %s | %.2f | %d |", name, r.name, r.cpu, r.cpuRatio, r.wall, r.wallTime, r.faults)
	}
}

// summary is one line for each action: what mydocker takes as a part of what each of the others does, CPU and wall time.
func (b *bench) summary() {
	var names []string
	actions := map[string]map[string]row{}
	var order []string
	for _, r := range b.rows {
		if r.name != "mydocker" && !slices.Contains(names, r.name) {
			names = append(names, r.name)
		}
		if actions[r.action] == nil {
			actions[r.action] = map[string]row{}
			order = append(order, r.action)
		}
		actions[r.action][r.name] = r
	}
	b.say("\n### mydocker as a part of the others: CPU, wall time\n")
	b.say("| | %s |\n|---%s|", strings.Join(names, " | "), strings.Repeat("|---", len(names)))
	for _, action := range order {
		line := "| " + action
		for _, name := range names {
			r := actions[action][name]
			if r.cpuRatio == 0 || r.wallTime == 0 {
				line += " | –"
				continue
			}
			line += fmt.Sprintf(" | %.2f, %.2f", 1/r.cpuRatio, 1/r.wallTime)
		}
		b.say("%s |", line)
	}
}

func (s span) String() string {
	return fmt.Sprintf("%s (%s–%s)", millis(s.median), millis(s.low), millis(s.high))
}

// millis is a number of milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}
