package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"mydocker/internal/container"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make a container of files that checkpoint has saved",
		ArgsUsage: "ID",
		Description: "Makes the bundle's container with the processes of image files, and waits for its end, which removes it. The exit code is\n" +
			"that of its process. The hooks prestart, createRuntime, poststart and poststop are run. The image files stay.\n\n" +
			"Of config.json the root filesystem, the sources of mounts, namespaces that are given by path, the cgroup and its limits, hooks\n" +
			"and annotations are used. All else, as the program, its namespaces and its mounts, is what was saved.\n\n" +
			criuNeeded + " What it logs\n" +
			"is in restore.log, in the work directory. Of a restore that has failed nothing is left but that, and directories for mounts\n" +
			"that the root filesystem lacked.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "console-socket", Usage: "hand the terminal's master to whoever listens on `SOCKET`", TakesFile: true},
			imagePathFlag(), workPathFlag(), tcpEstablishedFlag(), extUnixSkFlag(), shellJobFlag(), fileLocksFlag(), manageCgroupsFlag(),
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of config.json and the root filesystem", DefaultText: "the working directory", TakesFile: true},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the end"},
			&cli.StringFlag{Name: "pid-file", Usage: "write the process's pid to `FILE`", TakesFile: true},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not become the parent of processes that the container leaves behind"},
			&cli.BoolFlag{Name: "no-pivot", Usage: "accepted as by create; it is criu that enters the root filesystem"},
			emptyNamespacesFlag(),
			&cli.BoolFlag{Name: "auto-dedup", Usage: "remove from the image files what is restored: they cannot be restored again"},
			&cli.BoolFlag{Name: "lazy-pages", Usage: "fetch the memory when it is used, from a criu lazy-pages whose --work-dir is --work-path here"},
			&cli.StringFlag{Name: "lsm-profile", Usage: "set another security label than the one that was saved, as `TYPE:NAME`: apparmor:NAME or selinux:LABEL"},
			&cli.StringFlag{Name: "lsm-mount-context", Usage: "mount with another SELinux `LABEL` than the one that was saved"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			code, err := restore(c)
			if err != nil {
				return fmt.Errorf("%s restore failed: %w", name, err)
			}
			return exitWith(code)
		},
	}
}

func restore(c *cli.Command) (int, error) {
	s, err := store(c)
	if err != nil {
		return 0, err
	}
	create, err := createOptions(c, c.Args().First())
	if err != nil {
		return 0, err
	}
	images, err := criuOptions(c)
	if err != nil {
		return 0, err
	}
	images.LSMProfile, images.LSMMountContext = text(c, "lsm-profile"), text(c, "lsm-mount-context")
	return s.Restore(&container.RestoreOptions{
		RunOptions: container.RunOptions{CreateOptions: *create, Detach: on(c, "detach"), NoSubreaper: on(c, "no-subreaper")},
		CRIU:       *images,
	})
}
