package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name:        "kill",
		Usage:       "send a signal to a container's process",
		ArgsUsage:   "ID [SIGNAL]",
		Description: "SIGNAL is a name, with or without SIG, or a number; without it, SIGTERM.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "send it to all processes of the container", Hidden: true},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atLeast(c, 1); err != nil {
				return err
			}
			if c.Args().Len() > 2 {
				return fault.New(fault.Usage, "", fmt.Errorf("%s: %q requires a maximum of 2 argument(s)", name, c.Name))
			}
			signal := "SIGTERM"
			if c.Args().Len() == 2 {
				signal = c.Args().Get(1)
			}
			sig, err := parseSignal(signal)
			if err != nil {
				return err
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			return ctr.Signal(sig, on(c, "all"))
		},
	}
}

// lastSignal is SIGRTMAX of the kernel.
const lastSignal = 64

// parseSignal takes a name, "TERM" or "SIGTERM", "RTMIN+3", or a number; 0 only asks whether the process is there.
func parseSignal(s string) (unix.Signal, error) {
	unknown := fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("unknown signal %q", s)), "the ID comes first, then a name or a number, as in `kill box KILL`")
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > lastSignal || s[0] == '+' {
			return 0, unknown
		}
		return unix.Signal(n), nil
	}
	upper := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if sig := unix.SignalNum("SIG" + upper); sig != 0 {
		return sig, nil
	}
	// The C library keeps the first two real-time signals to itself: its SIGRTMIN is 34.
	for base, first := range map[string]int{"RTMIN": 34, "RTMAX": lastSignal} {
		rest, ok := strings.CutPrefix(upper, base)
		if !ok {
			continue
		}
		n := 0
		if rest != "" {
			var err error
			if n, err = strconv.Atoi(rest); err != nil || rest[0] != '+' && rest[0] != '-' {
				return 0, unknown
			}
		}
		if sig := first + n; sig >= 34 && sig <= lastSignal {
			return unix.Signal(sig), nil
		}
	}
	return 0, unknown
}
