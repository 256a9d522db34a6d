package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
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
	return arg == "h" || strings.HasPrefix(arg, "-") && strings.HasPrefix(strings.TrimLeft(arg, "-"), "h") || strings.Contains(arg, "help")
}

// helpFirst makes the command line that of a command's help where that is asked for behind other arguments. The options of a
// program are its own.
func helpFirst(root *cli.Command, args []string) []string {
	if !slices.ContainsFunc(args, isHelp) {
		return args
	}
	i := skipFlags(root, args, 1)
	own := cutProgram(root, args)
	if n := slices.Index(own, "--"); n >= 0 {
		own = own[:n]
	}
	if i >= len(own) || !slices.ContainsFunc(own[i:], isHelp) {
		return args
	}
	switch command := own[i]; {
	case command == "help" || command == "h":
		return []string{args[0], "--help"}
	case command != "exec" && command != "ps" && root.Command(command) != nil:
		return []string{args[0], command, "--help"}
	}
	return args
}

func isHelp(arg string) bool { return arg == "--help" || arg == "-h" || arg == "--h" }

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

func unknownCommand(asked string) error {
	err := fault.New(fault.Usage, "", fmt.Errorf("No help topic for '%s'", asked))
	like := calledHere(asked)
	if like == "" {
		like = bundle.Nearest(asked, commandNames())
	}
	if like != "" {
		err = fault.Hint(err, "perhaps you mean `"+like+"`")
	}
	return &status{code: 3, err: err}
}
