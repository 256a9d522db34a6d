// Package completion completes command lines for shells.
//
// The library of the command line has completion, too. Its script for bash needs the package bash-completion and
// executes the substitutions in what is typed; it cannot tell the value of a flag from a flag, which matters for files;
// and it runs what comes before a command, such as opening the log. So the scripts here are our own: they hand the words
// to the program, which answers with what may come next.
package completion

import (
	_ "embed" // the scripts
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

//go:embed mydocker.bash
var bash string

//go:embed mydocker.zsh
var zsh string

//go:embed mydocker.fish
var fish string

// Shells are those that there is a script for.
func Shells() []string { return []string{"bash", "fish", "zsh"} }

// Script is the script for a shell, "" for an unknown one.
func Script(shell string) string {
	switch shell {
	case "bash":
		return bash
	case "fish":
		return fish
	case "zsh":
		return zsh
	}
	return ""
}

// Word is what may come next, with a few words about it.
type Word struct{ Text, About string }

// Files and Directories are answers that leave it to the shell.
const (
	Files       = ":files"
	Directories = ":directories"
)

// Source knows what can be completed beside commands and flags.
type Source interface {
	// Arguments are what may be the nth argument, from 0, of a command. flags are the values of the global flags.
	Arguments(command string, n int, flags map[string]string) []Word
	// Values are what may be the value of a flag, nil if that can be anything.
	Values(flag cli.Flag) []Word
}

// Complete says what may come next on a command line: root has all commands, words is what is typed behind the name of
// the program, and the last of them is what the cursor stands at the end of.
func Complete(root *cli.Command, words []string, s Source) []Word {
	if len(words) == 0 {
		words = []string{""}
	}
	l := line{source: s, command: root, global: map[string]string{}}
	last := len(words) - 1
	for _, w := range words[:last] {
		if !l.take(root, w) {
			return nil
		}
	}
	return starting(l.next(root, words[last]), words[last])
}

// starting are the words that begin with what is typed; the shell's own are its affair.
func starting(all []Word, typed string) []Word {
	return slices.DeleteFunc(all, func(w Word) bool {
		return w.Text != Files && w.Text != Directories && !strings.HasPrefix(w.Text, typed)
	})
}

// line is a command line up to a word.
type line struct {
	source    Source
	command   *cli.Command // root until one is named
	global    map[string]string
	arguments int      // of the command
	flag      cli.Flag // that takes the next word as its value
	given     []string // names of flags
	past      bool     // a "--", or a program whose options are its own
}

// take goes on by a word; false says that what follows is not known.
func (l *line) take(root *cli.Command, w string) bool {
	switch {
	case l.flag != nil:
		l.value(root, w)
	case !l.past && w == "--":
		l.past = true
	case !l.past && len(w) > 1 && w[0] == '-':
		return l.takeFlag(root, w)
	case l.command == root:
		l.command = root.Command(w)
		return l.command != nil
	default:
		l.arguments++
		if stop := l.command.StopOnNthArg; stop != nil && l.arguments >= *stop {
			l.past = true
		}
	}
	return true
}

func (l *line) takeFlag(root *cli.Command, w string) bool {
	name, value, has := strings.Cut(strings.TrimLeft(w, "-"), "=")
	if l.flag = find(l.command, name); l.flag == nil {
		return name == "help" || name == "h"
	}
	l.given = append(l.given, l.flag.Names()...)
	switch {
	case !takesValue(l.flag):
		l.flag = nil
	case has:
		l.value(root, value)
	}
	return true
}

func (l *line) value(root *cli.Command, value string) {
	if l.command == root {
		l.global[l.flag.Names()[0]] = value
	}
	l.flag = nil
}

// next is what may stand where typed does.
func (l *line) next(root *cli.Command, typed string) []Word {
	switch {
	case l.flag != nil:
		return l.values(l.flag, "")
	case !l.past && strings.HasPrefix(typed, "-"):
		name, _, has := strings.Cut(typed, "=")
		if f := find(l.command, strings.TrimLeft(name, "-")); has && f != nil {
			return l.values(f, name+"=")
		}
		return l.flags()
	case l.command == root:
		return commands(root)
	}
	return l.source.Arguments(l.command.Name, l.arguments, l.global)
}

// values are those of a flag, behind a prefix.
func (l *line) values(f cli.Flag, prefix string) []Word {
	all := l.source.Values(f)
	for i := range all {
		if all[i].Text != Files && all[i].Text != Directories {
			all[i].Text = prefix + all[i].Text
		}
	}
	return all
}

func commands(root *cli.Command) []Word {
	var all []Word
	for _, c := range root.Commands {
		if !c.Hidden {
			all = append(all, Word{c.Name, c.Usage})
		}
	}
	return all
}

// flags are those that are not given yet, or can be given again.
func (l *line) flags() []Word {
	var all []Word
	for _, f := range l.command.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		again := false
		if m, ok := f.(cli.DocGenerationMultiValueFlag); ok {
			again = m.IsMultiValueFlag()
		}
		if again || !slices.Contains(l.given, f.Names()[0]) {
			all = append(all, Word{"--" + f.Names()[0], Usage(f)})
		}
	}
	return append(all, Word{"--help", "show help"})
}

// Usage is what a flag is for, without the marks of its value's name.
func Usage(f cli.Flag) string {
	if d, ok := f.(cli.DocGenerationFlag); ok {
		return strings.ReplaceAll(d.GetUsage(), "`", "")
	}
	return ""
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func find(c *cli.Command, name string) cli.Flag {
	i := slices.IndexFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil
	}
	return c.Flags[i]
}
