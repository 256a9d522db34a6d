package main

import (
	"context"

	"github.com/urfave/cli/v3"
)

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name:        "delete",
		Usage:       "remove a container that has stopped",
		ArgsUsage:   "ID",
		Description: "Removes what the container has left: its cgroups and its state. One that was created and never started is ended first.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "end the container first; an unknown ID is no error"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			s, err := store(c)
			if err != nil {
				return err
			}
			return s.Delete(c.Args().First(), on(c, "force"))
		},
	}
}
