// Package manpage makes manual pages of commands, in the macros of man(7).
package manpage

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// Section is that of programs for the administrator.
const Section = 8

// Example is a command line, and what it does.
type Example struct{ About, Line string }

// Page is a manual page: of a command, or, with Command the root itself, of the program.
type Page struct {
	Root     *cli.Command
	Command  *cli.Command
	Version  string
	Examples []Example
	// Sections are further ones, by title and text; a blank line separates paragraphs.
	Sections [][2]string
}

// Name is that of the page: "mydocker" or "mydocker-run".
func (p *Page) Name() string {
	if p.Command == p.Root {
		return p.Root.Name
	}
	return p.Root.Name + "-" + p.Command.Name
}

// String is the page's source.
func (p *Page) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s %d \"\" %q\n", strings.ToUpper(escape(p.Name())), Section, p.Root.Name+" "+p.Version)
	heading(&b, "name")
	b.WriteString(text(p.Name()) + " \\- " + text(p.Command.Usage) + "\n")
	p.synopsis(&b)
	if p.Command.Description != "" {
		heading(&b, "description")
		paragraphs(&b, p.Command.Description)
	}
	if p.Command == p.Root {
		p.commands(&b)
	}
	p.options(&b)
	for _, s := range p.Sections {
		heading(&b, s[0])
		paragraphs(&b, s[1])
	}
	p.examples(&b)
	p.seeAlso(&b)
	return b.String()
}

func heading(b *strings.Builder, title string) { b.WriteString(".SH " + strings.ToUpper(title) + "\n") }

func (p *Page) synopsis(b *strings.Builder) {
	heading(b, "synopsis")
	if p.Command == p.Root {
		fmt.Fprintf(b, "\\fB%s\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]\n", text(p.Root.Name))
		return
	}
	for i, usage := range strings.Split(p.Command.ArgsUsage, "  or  ") {
		if i > 0 {
			b.WriteString(".br\n")
		}
		// The later forms may name the command, to show a flag.
		usage = strings.TrimPrefix(usage, p.Command.Name+" ")
		fmt.Fprintf(b, "\\fB%s\\fR [\\fIoptions\\fR] \\fB%s\\fR [\\fIoptions\\fR] %s\n", text(p.Root.Name), text(p.Command.Name), text(usage))
	}
}

func (p *Page) commands(b *strings.Builder) {
	heading(b, "commands")
	for _, c := range p.Root.Commands {
		if !c.Hidden {
			fmt.Fprintf(b, ".TP\n.BR %s (%d)\n%s\n", escape(p.Root.Name+"-"+c.Name), Section, text(c.Usage))
		}
	}
}

func (p *Page) options(b *strings.Builder) {
	heading(b, "options")
	for _, f := range p.Command.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		names, usage, _ := strings.Cut(f.String(), "\t")
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", text(names), text(usage))
	}
	b.WriteString(".TP\n\\fB\\-\\-help, \\-h\\fR\nshow help\n")
	if p.Command != p.Root {
		fmt.Fprintf(b, ".PP\nThe options before the command are those of\n.BR %s (%d).\n", escape(p.Root.Name), Section)
	}
}

func (p *Page) examples(b *strings.Builder) {
	if len(p.Examples) == 0 {
		return
	}
	heading(b, "examples")
	for _, e := range p.Examples {
		fmt.Fprintf(b, ".TP\n%s\n.EX\n%s\n.EE\n", text(e.About), text(p.Root.Name+" "+e.Line))
	}
}

func (p *Page) seeAlso(b *strings.Builder) {
	heading(b, "see also")
	if p.Command != p.Root {
		fmt.Fprintf(b, ".BR %s (%d)\n", escape(p.Root.Name), Section)
		return
	}
	b.WriteString(".BR namespaces (7),\n.BR cgroups (7),\n.BR capabilities (7)\n.PP\nThe runtime specification, https://github.com/opencontainers/runtime\\-spec\n")
}

// paragraphs writes lines filled; what is indented stays as it is.
func paragraphs(b *strings.Builder, s string) {
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		verbatim := false
		for line := range strings.SplitSeq(paragraph, "\n") {
			if indented := strings.HasPrefix(line, " "); indented != verbatim {
				b.WriteString(map[bool]string{true: ".EX\n", false: ".EE\n"}[indented])
				verbatim = indented
			}
			b.WriteString(text(line) + "\n")
		}
		if verbatim {
			b.WriteString(".EE\n")
		}
	}
}

// text is a line that holds nothing but text.
func text(s string) string {
	s = escape(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// escape keeps the characters that groff would set otherwise: a hyphen that is to be copied is a minus to it.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", "\\(ga", "'", `\(aq`, "…", "...").Replace(s)
}
