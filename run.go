package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"mydocker/internal/container"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "create and start a container",
		ArgsUsage: "ID",
		Description: "Runs the container of a bundle and waits for its end, which removes it. The exit code is that of its process, or 128+n\n" +
			"when signal n ended it.",
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the end"},
			&cli.BoolFlag{Name: "keep", Usage: "do not remove the container when its process ends"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not become the parent of processes that the container leaves behind"},
		),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			code, err := runContainer(c)
			if err != nil {
				return fmt.Errorf("%s run failed: %w", name, err)
			}
			return exitWith(code)
		},
	}
}

func runContainer(c *cli.Command) (int, error) {
	s, err := store(c)
	if err != nil {
		return 0, err
	}
	o, err := createOptions(c)
	if err != nil {
		return 0, err
	}
	return s.Run(&container.RunOptions{
		CreateOptions: *o, Detach: c.Bool("detach"), Keep: c.Bool("keep"), NoSubreaper: c.Bool("no-subreaper"),
	})
}
