package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// execFailed is the exit code when the process could not be started.
const execFailed = 255

// ttyFlag is that of the commands that make a process.
func ttyFlag() cli.Flag {
	return &cli.BoolFlag{
		Name: "tty", Aliases: []string{"t"},
		Usage: "give the process a terminal; standard input should be one, for the end of another reaches only who reads lines",
	}
}

func execCommand() *cli.Command {
	first := 1
	return &cli.Command{
		Name:      "exec",
		Usage:     "run a further process in a container",
		ArgsUsage: "ID COMMAND [ARG...]  or  exec --process FILE ID",
		Description: "Runs a command with the environment, the user and the limits of the container's own process, or a process.json.\n" +
			"The exit code is that of the process, 128+n when signal n ended it, and 255 when it could not be started.",
		StopOnNthArg: &first,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "console-socket", Usage: "hand the terminal's master to whoever listens on `SOCKET`", TakesFile: true},
			&cli.StringFlag{Name: "pidfd-socket", Usage: "hand a pidfd of the process to whoever listens on `SOCKET`", TakesFile: true},
			&cli.StringFlag{Name: "cwd", Usage: "working `DIR` in the container"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE`"},
			ttyFlag(),
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "`UID[:GID]`, numbers; without GID that of the container's process"},
			&cli.IntSliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "further groups, by `GID`"},
			&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "`FILE` with the process, as in config.json", TakesFile: true},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the end"},
			&cli.StringFlag{Name: "pid-file", Usage: "write the process's pid to `FILE`", TakesFile: true},
			&cli.StringFlag{Name: "process-label", Usage: "SELinux `LABEL` of the process"},
			&cli.StringFlag{Name: "apparmor", Usage: "AppArmor `PROFILE` of the process"},
			&cli.BoolFlag{Name: "no-new-privs", Usage: "forbid the process to gain privileges"},
			&cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "add `CAPABILITY` to the process's bounding, effective and permitted sets, and to the ambient one if it is inheritable"},
			&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` more descriptors, from 3 on, to the process"},
			&cli.StringSliceFlag{Name: "cgroup", Usage: "run in the cgroup `[CONTROLLER:]PATH` below the container's"},
			&cli.BoolFlag{Name: "ignore-paused", Usage: "run in a paused container, to wait there for resume"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := atLeast(c, 1); err != nil {
				return err
			}
			code, err := execProcess(c)
			if err != nil {
				return &status{code: execFailed, err: fmt.Errorf("exec failed: %w", err)}
			}
			return exitWith(code)
		},
	}
}

func execProcess(c *cli.Command) (int, error) {
	ctr, err := load(c)
	if err != nil {
		return 0, err
	}
	defer ctr.Close()
	process, err := processOf(c, ctr)
	if err != nil {
		return 0, err
	}
	fds, err := preserveFDs(c)
	if err != nil {
		return 0, err
	}
	o := &container.ExecOptions{
		Process: process, Detach: on(c, "detach"), PreserveFDs: fds, Cgroups: texts(c, "cgroup"),
		IgnorePaused: on(c, "ignore-paused"),
	}
	for _, p := range []struct {
		to   *string
		flag string
	}{{&o.PidFile, "pid-file"}, {&o.ConsoleSocket, "console-socket"}, {&o.PidfdSocket, "pidfd-socket"}} {
		if *p.to, err = absolute(text(c, p.flag)); err != nil {
			return 0, err
		}
	}
	return ctr.Exec(o)
}

// processOf is the process of --process, or the container's own with what flags and arguments change.
func processOf(c *cli.Command, ctr *container.Container) (*specs.Process, error) {
	if path := text(c, "process"); path != "" {
		p, err := bundle.LoadProcess(path)
		if err != nil {
			return nil, err
		}
		if on(c, "tty") {
			p.Terminal = true
		}
		return p, inherit(p, ctr)
	}
	if c.Args().Len() < 2 {
		return nil, fault.New(fault.Usage, "", errors.New("exec args cannot be empty"))
	}
	spec, err := ctr.Spec()
	if err != nil {
		return nil, err
	}
	if spec.Process == nil {
		return nil, fault.New(fault.Config, "process", errors.New("process property must not be empty"))
	}
	process := *spec.Process
	p := &process
	p.Args = c.Args().Slice()[1:]
	p.Terminal = on(c, "tty")
	p.ConsoleSize = nil
	return p, changeProcess(c, p)
}

// inherit fills in what confines the container's own process, where a process.json says nothing of it.
func inherit(p *specs.Process, ctr *container.Container) error {
	spec, err := ctr.Spec()
	if err != nil || spec.Process == nil {
		return err
	}
	own := spec.Process
	if p.Capabilities == nil {
		p.Capabilities = own.Capabilities
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = own.ApparmorProfile
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = own.SelinuxLabel
	}
	return nil
}

// changeProcess applies the flags.
func changeProcess(c *cli.Command, p *specs.Process) error {
	if cwd := text(c, "cwd"); cwd != "" {
		p.Cwd = cwd
	}
	p.Env = append(p.Env, texts(c, "env")...)
	if label := text(c, "process-label"); label != "" {
		p.SelinuxLabel = label
	}
	if profile := text(c, "apparmor"); profile != "" {
		p.ApparmorProfile = profile
	}
	if given(c, "no-new-privs") {
		p.NoNewPrivileges = on(c, "no-new-privs")
	}
	if caps := texts(c, "cap"); len(caps) > 0 {
		if p.Capabilities == nil {
			p.Capabilities = &specs.LinuxCapabilities{}
		}
		for _, set := range []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Effective, &p.Capabilities.Permitted} {
			*set = append(*set, caps...)
		}
		// What the container lets be inherited reaches a process of a user other than root by the ambient set alone.
		for _, name := range caps {
			if slices.Contains(p.Capabilities.Inheritable, name) {
				p.Capabilities.Ambient = append(p.Capabilities.Ambient, name)
			}
		}
	}
	for _, gid := range c.IntSlice("additional-gids") {
		if gid < 0 || gid > maxID {
			return fault.New(fault.Usage, "", fmt.Errorf("additional-gids: %d is no group ID", gid))
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(gid))
	}
	if user := text(c, "user"); user != "" {
		uid, gid, err := parseUser(user)
		if err != nil {
			return err
		}
		p.User.UID = uid
		if gid != nil {
			p.User.GID = *gid
		}
	}
	return bundle.ValidateProcess(p, "process")
}
