package main

import (
	"github.com/urfave/cli/v3"

	"mydocker/internal/container"
)

func startCommand() *cli.Command {
	return onContainer("start", "start the process of a created container",
		"Lets the process that create has prepared become the program of config.json.", (*container.Container).Start)
}
