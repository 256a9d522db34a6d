package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"mydocker/internal/fault"
)

func psCommand() *cli.Command {
	first := 1
	return &cli.Command{
		Name:         "ps",
		Usage:        "show the processes of a container",
		ArgsUsage:    "ID [PS-OPTION...]",
		Description:  "Runs ps(1) with the options, \"-ef\" without any, and keeps the lines of the container's processes.",
		StopOnNthArg: &first,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table or json, which is the pids alone", Value: "table"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atLeast(c, 1); err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			pids, err := ctr.Pids()
			if err != nil {
				return err
			}
			slices.Sort(pids)
			switch text(c, "format") {
			case "json":
				if pids == nil {
					pids = []int{}
				}
				return json.NewEncoder(c.Root().Writer).Encode(pids)
			case "table":
				return printProcesses(c, pids, c.Args().Slice()[1:])
			}
			return fault.New(fault.Usage, "", errors.New("invalid format option"))
		},
	}
}

func printProcesses(c *cli.Command, pids []int, args []string) error {
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	out, err := exec.Command("ps", args...).CombinedOutput()
	if err != nil {
		text := strings.TrimSpace(string(out))
		return fault.Hint(fault.New(fault.System, "", fmt.Errorf("ps %s: %w: %s", strings.Join(args, " "), err, text)), "ps is of Debian's package procps")
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return fault.New(fault.Usage, "", errors.New("ps prints no column PID with these options"))
	}
	kept := []string{lines[0]}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
			kept = append(kept, line)
		}
	}
	_, err = fmt.Fprintln(c.Root().Writer, strings.Join(kept, "\n"))
	return err
}
