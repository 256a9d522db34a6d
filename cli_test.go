package main

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// testdata/flags.tsv has every command and flag that a drop-in for runc must have, as runc's help shows them.
func TestEveryFlagIsThere(t *testing.T) {
	f, err := os.Open("testdata/flags.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, flag, _ := strings.Cut(lines.Text(), "\t")
		flag, _, _ = strings.Cut(flag, " [")
		asked := command(name)
		if asked == nil {
			t.Errorf("no command %s", name)
			continue
		}
		if strings.HasPrefix(flag, "--help") {
			continue
		}
		for _, form := range strings.Split(flag, ", ") {
			form, kind, _ := strings.Cut(strings.TrimLeft(form, "-"), " ")
			checkFlag(t, asked(), form, kind)
		}
	}
}

func checkFlag(t *testing.T, c *cli.Command, name, kind string) {
	t.Helper()
	i := slices.IndexFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		t.Errorf("%s has no flag %s", c.Name, name)
		return
	}
	got := "bool"
	switch c.Flags[i].(type) {
	case *cli.StringFlag, *cli.StringSliceFlag:
		got = "string"
	case *cli.IntFlag, *cli.IntSliceFlag:
		got = "int"
	case *cli.DurationFlag:
		got = "duration"
	}
	if want := max(kind, "bool"); kind != "" && got != want || kind == "" && got != "bool" {
		t.Errorf("%s --%s is a %s, want %s", c.Name, name, got, want)
	}
}

func TestEveryCommandIsListed(t *testing.T) {
	for _, n := range commandNames() {
		if asked := command(n); asked == nil || asked().Name != n {
			t.Errorf("command %q is not there", n)
		}
	}
	if !slices.IsSorted(commandNames()) {
		t.Error("help is not in order")
	}
}

func TestCutProgram(t *testing.T) {
	for _, c := range []struct{ line, rest, program string }{
		{"run -t /bin/bash -l", "run -t", "/bin/bash -l"},
		{"run demo -- sh -c x", "run demo", "sh -c x"},
		{"run --rootfs / demo -- sh", "run --rootfs / demo", "sh"},
		{"run --rootfs=/ -e A=/x demo ./prog --rootfs y", "run --rootfs=/ -e A=/x demo", "./prog --rootfs y"},
		{"run demo --bundle /dir", "run demo --bundle /dir", ""},
		{"run -b /dir demo", "run -b /dir demo", ""},
		{"--root /r --debug run demo", "--root /r --debug run demo", ""},
		{"--log /l run -- demo", "--log /l run", "demo"},
		{"exec demo -- /bin/ls", "exec demo -- /bin/ls", ""},
		{"spec -b /dir -- /bin/sh", "spec -b /dir", "/bin/sh"},
		{"run --bundle", "run --bundle", ""},
		{"run", "run", ""},
		{"", "", ""},
	} {
		args := append([]string{name}, strings.Fields(c.line)...)
		root := app(args)
		rest := cutProgram(root, args)
		if got := strings.Join(rest[1:], " "); got != c.rest {
			t.Errorf("%q: rest %q, want %q", c.line, got, c.rest)
		}
		if got := strings.Join(program(root), " "); got != c.program {
			t.Errorf("%q: program %q, want %q", c.line, got, c.program)
		}
	}
}

// Each flag is found by its name, whatever its type.
func TestFlagOf(t *testing.T) {
	for _, c := range app([]string{name}).Commands {
		for _, f := range c.Flags {
			if flagOf(c, f.Names()[0]) != f {
				t.Errorf("%s: no --%s", c.Name, f.Names()[0])
			}
		}
	}
}
