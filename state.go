package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		Name:        "state",
		Usage:       "print the state of a container",
		ArgsUsage:   "ID",
		Description: "Prints the container's state as JSON (runtime-spec, runtime.md, \"State\").",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			state, err := ctr.State()
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(state, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Root().Writer, "%s\n", b)
			return err
		},
	}
}
