package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// table holds the outcomes by engine, scenario and runtime.
type table struct {
	engines  []string
	versions map[string]string
	runtimes []string
	rows     map[string][]string // scenarios of an engine, in order
	cells    map[[3]string]result
	absent   []string
}

func (t *table) add(engine, version, runtime string, results []result) {
	if t.cells == nil {
		t.versions, t.rows, t.cells = map[string]string{}, map[string][]string{}, map[[3]string]result{}
	}
	if !slices.Contains(t.engines, engine) {
		t.engines = append(t.engines, engine)
		t.versions[engine] = version
	}
	if !slices.Contains(t.runtimes, runtime) {
		t.runtimes = append(t.runtimes, runtime)
	}
	for _, r := range results {
		if !slices.Contains(t.rows[engine], r.Scenario) {
			t.rows[engine] = append(t.rows[engine], r.Scenario)
		}
		t.cells[[3]string{engine, r.Scenario, runtime}] = r
	}
}

// print prints what failed, and then the table.
func (t *table) print(w io.Writer) {
	for _, e := range t.engines {
		for _, row := range t.rows[e] {
			for _, r := range t.runtimes {
				if c := t.cells[[3]string{e, row, r}]; c.Outcome == fail {
					fmt.Fprintf(w, "FAIL %s %s with %s\n%s\n", e, row, r, c.Log)
				}
			}
		}
	}
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(out, "engine\tscenario\t%s\n", strings.Join(t.runtimes, "\t"))
	for _, e := range t.engines {
		for _, row := range t.rows[e] {
			fmt.Fprintf(out, "%s\t%s", e, row)
			for _, r := range t.runtimes {
				outcome := t.cells[[3]string{e, row, r}].Outcome
				if outcome == "" {
					outcome = "-"
				}
				fmt.Fprintf(out, "\t%s", outcome)
			}
			fmt.Fprintln(out)
		}
	}
	_ = out.Flush()
	for _, e := range t.engines {
		fmt.Fprintf(w, "%s: %s\n", e, t.versions[e])
	}
	for _, a := range t.absent {
		fmt.Fprintln(w, "not run:", a)
	}
}

// judge counts, and says whether the runtime failed nothing. What all the runtimes fail is the engine's or the host's.
func (t *table) judge(w io.Writer, runtime string) bool {
	passed, failed, skipped := 0, 0, 0
	for key, c := range t.cells {
		if key[2] != runtime {
			continue
		}
		switch {
		case c.Outcome == pass:
			passed++
		case c.Outcome == skip || t.allFail(key[0], key[1]):
			skipped++
		default:
			failed++
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed == 0 && passed > 0
}

// allFail says whether a scenario fails with all of several runtimes.
func (t *table) allFail(engine, scenario string) bool {
	for _, r := range t.runtimes {
		if t.cells[[3]string{engine, scenario, r}].Outcome != fail {
			return false
		}
	}
	return len(t.runtimes) > 1
}
