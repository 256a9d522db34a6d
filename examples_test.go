package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// Each command has examples, of itself, with flags that it has.
func TestExamples(t *testing.T) {
	for _, n := range append(commandNames(), "") {
		all := examples(n)
		if len(all) == 0 {
			t.Errorf("%s has no examples", n)
		}
		for _, e := range all {
			checkExample(t, n, e)
		}
	}
}

func checkExample(t *testing.T, n string, e example) {
	t.Helper()
	line, _, _ := strings.Cut(e.line, " >")
	args := append([]string{name}, strings.Fields(line)...)
	root := app(args)
	args = cutProgram(root, args)
	i := skipFlags(root, args, 1)
	if i >= len(args) || n != "" && args[i] != n {
		t.Errorf("%q is no example of %q", e.line, n)
		return
	}
	c := root.Command(args[i])
	for _, w := range args[i+1:] {
		if !strings.HasPrefix(w, "-") {
			if c.StopOnNthArg != nil && n == "ps" {
				return // what follows is ps's own
			}
			continue
		}
		known := slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), strings.TrimLeft(w, "-")) })
		if !known {
			t.Errorf("%q: %s has no flag %s", e.line, c.Name, w)
		}
	}
}
