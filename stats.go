package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/screen"
	"mydocker/internal/usage"
)

func statsCommand() *cli.Command {
	return &cli.Command{
		Name:      "stats",
		Aliases:   []string{"top"},
		Usage:     "show what containers use: CPU, memory, processes, I/O, pressure",
		ArgsUsage: "[ID...]",
		Description: "Shows the named containers, or all that have not stopped: on a terminal in place, with keys to sort and to quit.\n\n" +
			"CPU% is of one CPU: two busy ones are 200. MEMORY is without the pages of files that the kernel takes back first. PRESSURE\n" +
			"is the share of the last ten seconds in which processes waited for a resource (cgroup v2, also beside v1). The first\n" +
			"rates are those of a quarter of a second.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "table, or json, which is an object for each container, a line", Value: "table"},
			&cli.BoolFlag{Name: "no-stream", Usage: "show it once"},
			&cli.DurationFlag{Name: "interval", Usage: "time between two readings", Value: time.Second},
			&cli.StringFlag{Name: "sort", Usage: "cpu, memory, pids, io or id", Value: string(usage.ByCPU)},
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "show those too that have stopped"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			v, err := newStatsView(c)
			if err != nil {
				return err
			}
			if !v.json && !on(c, "no-stream") && screen.Usable() {
				err = v.live()
			} else {
				ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
				defer stop()
				err = v.show(ctx, on(c, "no-stream"))
			}
			if errors.Is(err, usage.ErrGone) {
				return nil
			}
			return err
		},
	}
}

// statsView is what the flags of stats ask for.
type statsView struct {
	meter    *usage.Meter
	out      io.Writer
	interval time.Duration
	order    usage.Order
	json     bool
	mayLack  bool // the state root need not be there
}

func newStatsView(c *cli.Command) (*statsView, error) {
	wrong := func(format string, args ...any) error { return fault.New(fault.Usage, "", fmt.Errorf(format, args...)) }
	s, err := store(c)
	if err != nil {
		return nil, err
	}
	v := &statsView{
		meter: usage.NewMeter(s, c.Args().Slice(), on(c, "all")), out: c.Root().Writer,
		interval: duration(c, "interval"), order: usage.Order(text(c, "sort")), json: text(c, "format") == "json",
		mayLack: !given(c.Root(), "root"),
	}
	if f := text(c, "format"); f != "table" && f != "json" {
		return nil, wrong("invalid format option")
	}
	if v.interval <= 0 {
		return nil, wrong("duration interval must be greater than 0")
	}
	if !slices.Contains(usage.Orders(), v.order) {
		return nil, wrong("invalid --sort %q: cpu, memory, pids, io and id are allowed", v.order)
	}
	return v, nil
}

// firstInterval is what the first rates are taken of.
const firstInterval = 250 * time.Millisecond

// live draws readings on the terminal.
func (v *statsView) live() error {
	// What is wrong is said before the screen is taken.
	if _, err := v.read(); err != nil {
		return err
	}
	s, err := screen.Open()
	if err != nil {
		return err
	}
	defer s.Close()
	l := &usage.Live{Read: v.read, Interval: v.interval, Order: v.order}
	return l.Show(s, min(firstInterval, v.interval))
}

// show prints readings, one or one after the other until ctx ends.
func (v *statsView) show(ctx context.Context, once bool) error {
	if _, err := v.read(); err != nil {
		return err
	}
	for wait := min(firstInterval, v.interval); ; wait = v.interval {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		all, err := v.read()
		if err != nil {
			return err
		}
		if err := v.print(all); err != nil || once {
			return err
		}
	}
}

func (v *statsView) read() ([]*usage.Usage, error) {
	all, err := v.meter.Read()
	if errors.Is(err, os.ErrNotExist) && v.mayLack {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	usage.Sort(all, v.order)
	return all, nil
}

func (v *statsView) print(all []*usage.Usage) error {
	if !v.json {
		_, err := fmt.Fprintln(v.out, strings.Join(usage.Table(all, 0), "\n"))
		return err
	}
	enc := json.NewEncoder(v.out)
	for _, u := range all {
		if err := enc.Encode(u); err != nil {
			return err
		}
	}
	return nil
}
