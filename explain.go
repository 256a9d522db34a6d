package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/explain"
	"mydocker/internal/fault"
	"mydocker/internal/stdio"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "print what run would do, and do nothing",
		ArgsUsage: "[ID]  or  [--rootfs DIR] [ID] [--] PROGRAM [ARG...]",
		Description: "Prints, in order, each step of the runtime and of the container's init, with the field of config.json that asks for it.\n" +
			"It is the plan that create, start and delete go through, not a description of it. Nothing is made, and nothing takes root;\n" +
			"a configuration that only root can run is explained as root's. The flags are those of create and run:\n\n" +
			"   " + name + " explain -b ./bundle\n" +
			"   " + name + " explain --rootfs ./alpine --memory 64m -- sh -l\n" +
			"   " + name + " explain -b ./bundle --format json | jq '.steps[] | select(.field != null)'",
		Flags: append(append(createFlags(),
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "text or json", Value: "text"},
		), generatorFlags()...),
		Action: func(_ context.Context, c *cli.Command) error {
			d, err := explained(c)
			if err != nil {
				return err
			}
			return printExplained(c, d)
		},
	}
}

// explainedID is the ID of a container that gets none.
const explainedID = "box"

func explained(c *cli.Command) (*explain.Document, error) {
	switch text(c, "format") {
	case "text", "json":
	default:
		return nil, fault.New(fault.Usage, "", errors.New("invalid format option"))
	}
	t := &runTarget{id: explainedID}
	if c.Args().Present() || len(program(c)) > 0 || generatorSet(c) {
		var err error
		if t, err = runArguments(c); err != nil {
			return nil, err
		}
		if !c.Args().Present() && t.generate != nil {
			t.id = explainedID
		}
	}
	s, err := store(c)
	if err != nil {
		return nil, err
	}
	o, err := t.options(c, s)
	if err != nil {
		return nil, err
	}
	return s.Explain(o)
}

func printExplained(c *cli.Command, d *explain.Document) error {
	w := c.Root().Writer
	if text(c, "format") == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(d)
	}
	terminal, width := stdio.Out.Terminal(), explain.Unbroken
	if size, err := unix.IoctlGetWinsize(int(stdio.Out), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		width = int(size.Col)
	}
	// https://no-color.org: set and not empty, whatever the value.
	color := terminal && os.Getenv("NO_COLOR") == "" && !strings.EqualFold(os.Getenv("TERM"), "dumb")
	return d.Text(w, color, width)
}
