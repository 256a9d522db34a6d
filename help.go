package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/fault"
)

// printHelp is the help of the library, with examples.
func printHelp(w io.Writer, templ string, data any) {
	cli.DefaultPrintHelp(w, templ, data)
	c, ok := data.(*cli.Command)
	if !ok {
		return
	}
	command := c.Name
	if c == c.Root() {
		command = ""
	}
	for i, e := range examples(command) {
		if i == 0 {
			_, _ = fmt.Fprint(w, "\nEXAMPLES:\n")
		}
		_, _ = fmt.Fprintf(w, "   # %s\n   %s %s\n", e.about, name, e.line)
	}
}

// asksHelp tells whether an argument may be one that asks for help.
func asksHelp(arg string) bool {
	return arg == "h" || strings.HasPrefix(arg, "-h") || strings.Contains(arg, "help")
}

// calledHere is what does here what engines have a command of another name for.
func calledHere(asked string) string {
	switch asked {
	case "stop":
		return "kill"
	case "rm":
		return "delete"
	case "inspect":
		return "state"
	case "unpause":
		return "resume"
	case "ls", "containers":
		return "list"
	case "version":
		return "--version"
	}
	return ""
}

func unknownCommand(root *cli.Command, asked string) error {
	err := fault.New(fault.Usage, "", fmt.Errorf("No help topic for '%s'", asked))
	like := calledHere(asked)
	if like == "" {
		like = cli.SuggestCommand(root.Commands, asked)
	}
	if like != "" {
		err = fault.Hint(err, "perhaps you mean `"+like+"`")
	}
	return &status{code: 3, err: err}
}
