package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/completion"
	"mydocker/internal/container"
	"mydocker/internal/fault"
	"mydocker/internal/usage"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:        "completion",
		Usage:       "print a script that lets a shell complete command lines",
		ArgsUsage:   "bash|zsh|fish",
		Description: "With it, Tab completes commands, flags, their values, and the IDs of containers.",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			script := completion.Script(c.Args().First())
			if script == "" {
				return fault.New(fault.Usage, "", fmt.Errorf("no completion for shell %q: bash, zsh and fish are known", c.Args().First()))
			}
			_, err := fmt.Fprint(c.Root().Writer, script)
			return err
		},
	}
}

// completeCommand is what the scripts ask. Its arguments are the words of a command line, up to the cursor.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:            completeName,
		Hidden:          true,
		SkipFlagParsing: true,
		Action: func(_ context.Context, c *cli.Command) error {
			words := c.Args().Slice()
			for _, w := range completion.Complete(app([]string{name}), words, known{}) {
				if _, err := fmt.Fprintln(c.Root().Writer, strings.TrimSuffix(w.Text+"\t"+w.About, "\t")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

const completeName = "__complete"

// known is what can be completed.
type known struct{}

// Arguments implements completion.Source.
func (known) Arguments(asked string, n int, flags map[string]string) []completion.Word {
	switch {
	case asked == "completion" && n == 0:
		return words(completion.Shells()...)
	case asked == "kill" && n == 1:
		return words("TERM", "KILL", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH", "CONT", "STOP")
	case asked == "run":
		return words(completion.Files)
	}
	// A command that takes an ID says so; the name of a new container is the caller's to choose.
	if asked == "create" || asked == "restore" {
		return nil
	}
	takes := command(asked)().ArgsUsage
	if strings.HasPrefix(takes, "ID") && n == 0 || strings.HasPrefix(takes, "[ID...]") {
		return containers(flags["root"], statusesFor(asked))
	}
	return nil
}

// statusesFor are the statuses in which a command can do something with a container; nil are all.
func statusesFor(asked string) []string {
	switch asked {
	case "start":
		return []string{container.Created}
	case "resume":
		return []string{container.Paused}
	case "pause":
		return []string{container.Running, container.Created}
	case "exec", "checkpoint":
		return []string{container.Running, container.Created}
	case "kill", "events", "ps", "update":
		return []string{container.Creating, container.Created, container.Running, container.Paused}
	}
	return nil
}

func containers(root string, statuses []string) []completion.Word {
	if root == "" {
		root = defaultRoot()
	}
	s := container.Store{Root: root}
	all, err := s.List()
	if err != nil {
		return nil
	}
	var found []completion.Word
	for _, c := range all {
		if statuses == nil || slices.Contains(statuses, c.Status) {
			found = append(found, completion.Word{Text: c.ID, About: c.Status + ", " + c.Bundle})
		}
	}
	return found
}

// Values implements completion.Source.
func (known) Values(f cli.Flag) []completion.Word {
	switch f.Names()[0] {
	case "format", "log-format":
		s, ok := f.(*cli.StringFlag)
		if !ok {
			return nil
		}
		return words(s.Value, "json")
	case "rootless":
		return words("auto", "true", "false")
	case "network":
		return words("none", "host")
	case "manage-cgroups-mode":
		return words("soft", "full", "strict", "ignore")
	case "empty-ns":
		return words("network")
	case "sort":
		var orders []string
		for _, o := range usage.Orders() {
			orders = append(orders, string(o))
		}
		return words(orders...)
	case "bundle", "root", "rootfs", "image-path", "work-path":
		return words(completion.Directories)
	}
	if s, ok := f.(*cli.StringFlag); ok && s.TakesFile {
		return words(completion.Files)
	}
	return nil
}

func words(texts ...string) []completion.Word {
	all := make([]completion.Word, len(texts))
	for i, t := range texts {
		all[i].Text = t
	}
	return all
}
