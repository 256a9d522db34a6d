package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v3"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		Name:      "state",
		Usage:     "print the state of a container",
		ArgsUsage: "ID",
		Description: "Prints the container's state as JSON (runtime-spec, runtime.md, \"State\"), with the further keys phase, and, of a container\n" +
			"that has stopped, exitCode, oomKilled, memoryLimit and ended, as far as they are known.",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			state, err := ctr.Detail()
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
