package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"mydocker/internal/container"
)

func pauseCommand() *cli.Command {
	return onContainer("pause", "stop all processes of a container for a while",
		"The processes get no time of any CPU until resume.", (*container.Container).Pause)
}

func resumeCommand() *cli.Command {
	return onContainer("resume", "let the processes of a paused container go on", "The reverse of pause.", (*container.Container).Resume)
}

// onContainer is a command that has no flags and does one thing to a container.
func onContainer(command, usage, description string, do func(*container.Container) error) *cli.Command {
	return &cli.Command{
		Name: command, Usage: usage, ArgsUsage: "ID", Description: description,
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			return do(ctr)
		},
	}
}
