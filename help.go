package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v3"
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
