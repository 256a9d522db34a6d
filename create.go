package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"
)

// createFlags are the flags of create that run has, too.
func createFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of config.json and the root filesystem", DefaultText: "the working directory", TakesFile: true},
		&cli.StringFlag{Name: "console-socket", Usage: "hand the terminal's master to whoever listens on `SOCKET`", TakesFile: true},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "hand a pidfd of the process to whoever listens on `SOCKET`", TakesFile: true},
		&cli.StringFlag{Name: "pid-file", Usage: "write the process's pid to `FILE`", TakesFile: true},
		&cli.BoolFlag{Name: "no-pivot", Usage: "do not use pivot_root, for a root filesystem on a RAM disk"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "share the caller's session keyring"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` more descriptors, from 3 on, to the process"},
	}
}

func createCommand() *cli.Command {
	return &cli.Command{
		Name:        "create",
		Usage:       "create a container, to be started by start",
		ArgsUsage:   "ID",
		Description: "Makes the namespaces, mounts, cgroups and so on of the bundle's container. Its process waits for `" + name + " start ID`.",
		Flags:       createFlags(),
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			if err := create(c); err != nil {
				return fmt.Errorf("%s create failed: %w", name, err)
			}
			return nil
		},
	}
}

func create(c *cli.Command) error {
	s, err := store(c)
	if err != nil {
		return err
	}
	o, err := createOptions(c, c.Args().First())
	if err != nil {
		return err
	}
	return s.Create(o)
}

// createOptions reads the bundle and the flags of create.
func createOptions(c *cli.Command, id string) (*container.CreateOptions, error) {
	if err := container.CheckID(id); err != nil {
		return nil, err
	}
	start := tracing.Now()
	b, err := bundle.Load(text(c, "bundle"))
	if err != nil {
		return nil, fault.During(fault.Prepare, err)
	}
	tracing.Done("read bundle", start)
	o := &container.CreateOptions{ID: id, Spec: b.Spec, Config: b.Config, Bundle: b.Dir}
	return o, processOptions(c, o)
}

// processOptions reads the flags that do not concern the configuration. Paths are made absolute now: nothing after
// this may depend on the working directory.
func processOptions(c *cli.Command, o *container.CreateOptions) (err error) {
	o.NoPivot, o.NoNewKeyring = on(c, "no-pivot"), on(c, "no-new-keyring")
	if o.PreserveFDs, err = preserveFDs(c); err != nil {
		return err
	}
	for _, p := range []struct {
		to   *string
		flag string
	}{{&o.PidFile, "pid-file"}, {&o.ConsoleSocket, "console-socket"}, {&o.PidfdSocket, "pidfd-socket"}} {
		if *p.to, err = absolute(text(c, p.flag)); err != nil {
			return err
		}
	}
	return nil
}

func preserveFDs(c *cli.Command) (int, error) {
	n := number(c, "preserve-fds")
	if n < 0 {
		return 0, fault.New(fault.Usage, "", fmt.Errorf("invalid --preserve-fds: %d is not a number of descriptors", n))
	}
	return n, nil
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}
