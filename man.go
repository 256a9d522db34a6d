package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"mydocker/internal/manpage"
)

const manName = "__man"

// manCommand writes the manual pages, for who packages or installs the program.
func manCommand() *cli.Command {
	return &cli.Command{
		Name:      manName,
		Usage:     "write the manual pages",
		ArgsUsage: "DIR",
		Hidden:    true,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			dir := c.Args().First()
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for _, p := range manPages() {
				path := filepath.Join(dir, fmt.Sprintf("%s.%d", p.Name(), manpage.Section))
				if err := os.WriteFile(path, []byte(p.String()), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func manPages() []*manpage.Page {
	root := app([]string{name})
	pages := []*manpage.Page{{Root: root, Command: root, Version: version, Examples: manExamples(""), Sections: manSections()}}
	for _, c := range root.Commands {
		pages = append(pages, &manpage.Page{Root: root, Command: c, Version: version, Examples: manExamples(c.Name)})
	}
	return pages
}

func manExamples(command string) []manpage.Example {
	var all []manpage.Example
	for _, e := range examples(command) {
		all = append(all, manpage.Example{About: e.about, Line: e.line})
	}
	return all
}

func manSections() [][2]string {
	return [][2]string{
		{"exit status", "run and exec in the foreground end as the process does: with its exit code, or 128 and the number of the signal that has ended it. " +
			"An error is 1, 255 where exec could not start the process, 3 where there is no such command."},
		{"environment", "XDG_RUNTIME_DIR is where the states of a user's containers are. NOTIFY_SOCKET, LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES " +
			"are passed on to the container as systemd(1) gives them."},
		{"files", "/run/" + name + " holds a directory for each container, with its state and its configuration."},
	}
}
