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
		Description: "Saves the processes of the container in image files and then removes the container; `" + name + " restore` goes on from\n" +
			"there. Files are not saved: the root filesystem, and the files that standard streams lead to, have to be there as they were.\n" +
			"Of a container that `run` has made without a bundle config.json is put beside the images, which are its bundle then. With\n" +
			"--leave-running the container runs on and keeps its ID: restore under another one, or when it has been deleted.\n\n" +
			criuNeeded + " What it logs\n" +
			"is in dump.log, in the work directory. After a checkpoint that has failed the container runs on. A signal has criu give up\n" +
			"at its next step; another one, a second later, kills it.\n\n" +
			"With --lazy-pages the memory stays here, and the command waits. Who connects first fetches it: when that connection ends, the\n" +
			"container is taken to go on there, and is removed. A signal gives the move up.",
		Flags: []cli.Flag{
			imagePathFlag(), workPathFlag(),
			&cli.StringFlag{Name: "parent-path", Usage: "`DIR` of an earlier --pre-dump, relative to --image-path, as ../1", TakesFile: true},
			&cli.BoolFlag{Name: "leave-running", Usage: "leave the container running"},
			tcpEstablishedFlag(),
			&cli.BoolFlag{Name: "tcp-skip-in-flight", Usage: "leave out TCP connections that are being made"},
			&cli.BoolFlag{Name: "link-remap", Usage: "give files that are open and whose name was removed another name, to save them"},
			extUnixSkFlag(), shellJobFlag(),
			&cli.BoolFlag{Name: "lazy-pages", Usage: "keep the memory here, and serve it at --page-server to a criu lazy-pages"},
			&cli.IntFlag{Name: "status-fd", Value: -1, DefaultText: "none", Usage: "write a zero byte to descriptor `FD` when --lazy-pages can be fetched"},
			&cli.StringFlag{Name: "page-server", Usage: "send the memory to the page server at `ADDRESS:PORT`, or serve it there with --lazy-pages (default: port 27277 of all addresses)"},
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
	o.ParentPath = text(c, "parent-path")
	o.LeaveRunning, o.PreDump, o.LinkRemap = on(c, "leave-running"), on(c, "pre-dump"), on(c, "link-remap")
	o.TCPSkipInFlight, o.PageServer, o.StatusFD = on(c, "tcp-skip-in-flight"), text(c, "page-server"), number(c, "status-fd")
	return found.Checkpoint(o)
}

// criuOptions reads the flags that checkpoint and restore share.
func criuOptions(c *cli.Command) (*criu.Options, error) {
	o := &criu.Options{
		TCPEstablished: on(c, "tcp-established"), ExtUnixSk: on(c, "ext-unix-sk"), ShellJob: on(c, "shell-job"),
		FileLocks: on(c, "file-locks"), LazyPages: on(c, "lazy-pages"), AutoDedup: on(c, "auto-dedup"),
		ManageCgroups: text(c, "manage-cgroups-mode"), EmptyNamespaces: texts(c, "empty-ns"), StatusFD: -1,
	}
	images := text(c, "image-path")
	if images == "" {
		images = defaultImagePath
	}
	var err error
	if o.ImagePath, err = filepath.Abs(images); err != nil {
		return nil, err
	}
	o.WorkPath, err = absolute(text(c, "work-path"))
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
	return &cli.StringFlag{Name: "manage-cgroups-mode", Usage: "settings of cgroups: of those that are missing (soft), of all (full), none may exist (strict), ignore", DefaultText: "soft"}
}

func emptyNamespacesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "empty-ns", Usage: "leave out what is in the namespace of `TYPE`, network: for who sets it up anew"}
}
