package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/check"
	"mydocker/internal/fault"
	"mydocker/internal/logs"
	"mydocker/internal/stdio"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "say all that is wrong or doubtful with a bundle",
		Description: "Reads a bundle as create does, and goes on after the first error: values that are not allowed, unknown keys, what this\n" +
			"host cannot do, a program, interpreter or mount source that is missing. Nothing is made, and root is not needed, so what\n" +
			"the kernel says of a value that only it understands, as that of a sysctl, is not known before create. The exit code\n" +
			"is 0 for a bundle that is fine, 1 for a doubtful and 2 for a wrong one. docs/errors.md explains the codes.\n\n" +
			"With --host it reports what the machine has for containers, and what is missing.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of config.json and the root filesystem", DefaultText: "the working directory", TakesFile: true},
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "text or json", Value: "text"},
			&cli.BoolFlag{Name: "host", Usage: "report the machine: kernel, namespaces, cgroups, security modules, mounts, tools"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			format := text(c, "format")
			if format != "text" && format != "json" {
				return fault.New(fault.Usage, "", errors.New("invalid format option"))
			}
			if on(c, "host") {
				return checkHost(c, format)
			}
			return checkBundle(c, format)
		},
	}
}

func checkBundle(c *cli.Command, format string) error {
	s, err := store(c)
	if err != nil {
		return err
	}
	r, err := check.Bundle(s, text(c, "bundle"))
	if err != nil {
		return err
	}
	if format == "json" {
		err = printJSON(c.Root().Writer, r)
	} else {
		err = printReport(c.Root().Writer, r)
	}
	if err != nil {
		return err
	}
	return exitWith(r.Code())
}

func checkHost(c *cli.Command, format string) error {
	if given(c, "bundle") {
		return fault.New(fault.Usage, "", errors.New("--host is about the machine: it does not go with --bundle"))
	}
	m := check.Host()
	print := func() error { return printMachine(c.Root().Writer, m) }
	if format == "json" {
		print = func() error { return printJSON(c.Root().Writer, m) }
	}
	if err := print(); err != nil {
		return err
	}
	return exitWith(m.Code())
}

// printMachine writes what the machine has, a group at a time.
func printMachine(w io.Writer, m *check.Machine) error {
	var b strings.Builder
	paint := logs.Painter(stdio.Out)
	fmt.Fprintf(&b, "Linux %s on %s\n", m.Kernel, m.Architecture)
	group := ""
	for _, f := range m.Features {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n%s\n", paint(logs.Bold, group))
		}
		there := "yes"
		if !f.There {
			there = paint(logs.Amber, "no ")
		}
		line := fmt.Sprintf("  %s  %-22s %s", there, f.Name, paint(logs.Dim, f.Detail))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if len(m.Findings) > 0 {
		b.WriteString("\n")
	}
	for i := range m.Findings {
		printFinding(&b, &m.Findings[i], paint)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printReport writes the findings for a person, each with its place as compilers have it.
func printReport(w io.Writer, r *check.Report) error {
	var b strings.Builder
	paint := logs.Painter(stdio.Out)
	counts := map[check.Level]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		counts[f.Level]++
		printFinding(&b, f, paint)
	}
	switch {
	case len(r.Findings) == 0:
		fmt.Fprintf(&b, "%s: fine\n", r.Bundle)
	default:
		fmt.Fprintf(&b, "%s: %d wrong, %d doubtful\n", r.Bundle, counts[check.Wrong], counts[check.Doubtful])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printFinding(b *strings.Builder, f *check.Finding, paint func(logs.Color, string) string) {
	place := ""
	if f.Line > 0 {
		place = fmt.Sprintf("config.json:%d:%d: ", f.Line, f.Column)
	}
	color := logs.Red
	if f.Level == check.Doubtful {
		color = logs.Amber
	}
	text := f.Text
	if f.Field != "" && !strings.Contains(text, f.Field) {
		text = f.Field + ": " + text
	}
	fmt.Fprintf(b, "%s%s %s %s\n", place, paint(color, string(f.Level)+":"), text, paint(logs.Dim, "["+string(f.Code)+"]"))
	for _, l := range []struct{ name, value string }{{"found", f.Found}, {"expected", f.Expected}, {"hint", f.Hint}} {
		if l.value != "" {
			fmt.Fprintf(b, "    %s %s\n", paint(logs.Dim, l.name+":"), l.value)
		}
	}
}
