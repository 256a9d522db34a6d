package main

import (
	"context"

	"github.com/urfave/cli/v3"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:        "start",
		Usage:       "start the process of a created container",
		ArgsUsage:   "ID",
		Description: "Lets the process that create has prepared become the program of config.json.",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			return ctr.Start()
		},
	}
}
