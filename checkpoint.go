package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"mydocker/internal/criu"
)

// criuNeeded is a part of the help of both commands.
const criuNeeded = "It is criu that does so, version 3.15 or later, which is looked for in $PATH and needs root."

// defaultImagePath is where the image files go without --image-path, in the working directory.
const defaultImagePath = "checkpoint"

func checkpointCommand() *cli.Command {
	return &cli.Command{
		Name:      "checkpoint",
		Usage:     "save a running container in files",
		ArgsUsage: "ID",
		Description: "Saves the processes of the container in image files and then removes the container; `" + name + " restore` goes on from there.\n" +
			"The files of the container are not saved: its root filesystem has to be there as it was. With --leave-running the container\n" +
			"runs on and keeps its ID: restore under another one, or when it has been deleted.\n\n" +
			criuNeeded + " What it logs is in dump.log, in the work directory. After a\n" +
			"checkpoint that has failed the container runs on; so it does after --lazy-pages when a signal ends the command.",
		Flags: []cli.Flag{
			imagePathFlag(), workPathFlag(),
			&cli.StringFlag{Name: "parent-path", Usage: "`DIR` of an earlier --pre-dump, relative to --image-path, as ../1", TakesFile: true},
			&cli.BoolFlag{Name: "leave-running", Usage: "leave the container running"},
			tcpEstablishedFlag(),
			&cli.BoolFlag{Name: "tcp-skip-in-flight", Usage: "leave out TCP connections that are being made"},
			&cli.BoolFlag{Name: "link-remap", Usage: "give unlinked files that are open a name, to save them"},
			extUnixSkFlag(), shellJobFlag(),
			&cli.BoolFlag{Name: "lazy-pages", Usage: "keep the memory here, and serve it at --page-server until it is fetched"},
			&cli.IntFlag{Name: "status-fd", Value: -1, DefaultText: "none", Usage: "write a zero byte to descriptor `FD` when --lazy-pages can be fetched"},
			&cli.StringFlag{Name: "page-server", Usage: "send the memory to the page server at `ADDRESS:PORT`, or serve it there with --lazy-pages"},
			fileLocksFlag(),
			&cli.BoolFlag{Name: "pre-dump", Usage: "save the memory only, and go on: a later checkpoint with --parent-path saves what has changed since"},
			manageCgroupsFlag(), emptyNamespacesFlag(),
			&cli.BoolFlag{Name: "auto-dedup", Usage: "remove from the image files of --parent-path what is saved anew"},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			if err := checkpoint(c); err != nil {
				return fmt.Errorf("%s checkpoint failed: %w", name, err)
			}
			return nil
		},
	}
}

func checkpoint(c *cli.Command) error {
	found, err := load(c)
	if err != nil {
		return err
	}
	defer found.Close()
	o, err := criuOptions(c)
	if err != nil {
		return err
	}
	o.ParentPath = c.String("parent-path")
	o.LeaveRunning, o.PreDump, o.LinkRemap = c.Bool("leave-running"), c.Bool("pre-dump"), c.Bool("link-remap")
	o.TCPSkipInFlight, o.PageServer, o.StatusFD = c.Bool("tcp-skip-in-flight"), c.String("page-server"), c.Int("status-fd")
	return found.Checkpoint(o)
}

// criuOptions reads the flags that checkpoint and restore share.
func criuOptions(c *cli.Command) (*criu.Options, error) {
	o := &criu.Options{
		TCPEstablished: c.Bool("tcp-established"), ExtUnixSk: c.Bool("ext-unix-sk"), ShellJob: c.Bool("shell-job"),
		FileLocks: c.Bool("file-locks"), LazyPages: c.Bool("lazy-pages"), AutoDedup: c.Bool("auto-dedup"),
		ManageCgroups: c.String("manage-cgroups-mode"), EmptyNamespaces: c.StringSlice("empty-ns"), StatusFD: -1,
	}
	images := c.String("image-path")
	if images == "" {
		images = defaultImagePath
	}
	var err error
	if o.ImagePath, err = filepath.Abs(images); err != nil {
		return nil, err
	}
	o.WorkPath, err = absolute(c.String("work-path"))
	return o, err
}

func imagePathFlag() cli.Flag {
	return &cli.StringFlag{Name: "image-path", Usage: "`DIR` of the image files", DefaultText: "./" + defaultImagePath, TakesFile: true}
}

func workPathFlag() cli.Flag {
	return &cli.StringFlag{Name: "work-path", Usage: "`DIR` of criu's logs and statistics", DefaultText: "that of the image files", TakesFile: true}
}

func tcpEstablishedFlag() cli.Flag {
	return &cli.BoolFlag{Name: "tcp-established", Usage: "allow TCP connections that are established"}
}

func extUnixSkFlag() cli.Flag {
	return &cli.BoolFlag{Name: "ext-unix-sk", Usage: "allow Unix sockets that are connected to the outside"}
}

func shellJobFlag() cli.Flag {
	return &cli.BoolFlag{Name: "shell-job", Usage: "allow a terminal that is the caller's, as standard streams that were not redirected"}
}

func fileLocksFlag() cli.Flag {
	return &cli.BoolFlag{Name: "file-locks", Usage: "allow locks on files"}
}

func manageCgroupsFlag() cli.Flag {
	return &cli.StringFlag{Name: "manage-cgroups-mode", Usage: "what of the cgroups is saved and restored: soft, full, strict or ignore", DefaultText: "soft"}
}

func emptyNamespacesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "empty-ns", Usage: "leave out what is in the namespace of `TYPE`: network"}
}
