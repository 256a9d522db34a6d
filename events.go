package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/container"
	"mydocker/internal/fault"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name:        "events",
		Usage:       "report what a container uses, and when memory runs out",
		ArgsUsage:   "ID",
		Description: "Prints one JSON object a line: the statistics of the container's cgroup at an interval, and an event for each kill for want of memory.",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "interval", Usage: "time between two statistics", Value: 5 * time.Second},
			&cli.BoolFlag{Name: "stats", Usage: "print the statistics once"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			if duration(c, "interval") <= 0 {
				return fault.New(fault.Usage, "", errors.New("duration interval must be greater than 0"))
			}
			ctr, err := load(c)
			if err != nil {
				return err
			}
			defer ctr.Close()
			e := &eventPrinter{ctr: ctr, out: json.NewEncoder(c.Root().Writer)}
			if on(c, "stats") {
				return e.stats()
			}
			ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
			defer stop()
			return e.watch(ctx, duration(c, "interval"))
		},
	}
}

// event is a line of the output.
type event struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Data any    `json:"data,omitempty"`
}

type eventPrinter struct {
	ctr *container.Container
	out *json.Encoder
}

func (e *eventPrinter) stats() error {
	s, err := e.ctr.Stats()
	if err != nil {
		return err
	}
	return e.out.Encode(event{Type: "stats", ID: e.ctr.ID(), Data: s})
}

// watch prints until the container has stopped.
func (e *eventPrinter) watch(ctx context.Context, interval time.Duration) error {
	oom, err := e.ctr.WatchOOM(ctx)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-oom:
			if !ok {
				return nil
			}
			if err := e.out.Encode(event{Type: "oom", ID: e.ctr.ID()}); err != nil {
				return err
			}
		case <-ticker.C:
			// That it has ended, the other channel tells.
			if err := e.stats(); err != nil && !errors.Is(err, container.ErrNotRunning) {
				return fmt.Errorf("statistics of container %s: %w", e.ctr.ID(), err)
			}
		}
	}
}
