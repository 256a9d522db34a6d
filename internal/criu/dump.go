package criu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// Dump saves the process pid, which is the container's init, and all its children. Unless the options say otherwise
// criu ends them then, if no configuration file of criu says otherwise either. After an error they run on, but in a
// cgroup that may be frozen where criu has not come to its end.
func (o *Options) Dump(pid int, spec *specs.Spec, h *Host) error {
	path, err := find()
	if err != nil {
		return err
	}
	if err := errBelow(spec, h); err != nil {
		return err
	}
	if err := o.prepareImages(); err != nil {
		return err
	}
	kind := rpc.CriuReqType_DUMP
	if o.PreDump {
		kind = rpc.CriuReqType_PRE_DUMP
	}
	c, err := o.common(kind, "dump.log", spec, h)
	if err != nil {
		return err
	}
	if err := o.dumpOptions(c, pid, spec, h); err != nil {
		return err
	}
	return c.run(path)
}

// prepareImages makes the directories that are to be written. They can be entered: at a restore root of the container's
// user namespace opens its images by itself. The files in them are criu's, and for nobody else to read.
func (o *Options) prepareImages() error {
	for _, dir := range []string{o.ImagePath, o.WorkPath} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fault.New(fault.Usage, "", fmt.Errorf("make directory of the image files: %w", err))
		}
	}
	if o.ParentPath == "" {
		return nil
	}
	parent := filepath.Join(o.ImagePath, o.ParentPath)
	st, err := os.Stat(parent)
	if err == nil && !st.IsDir() {
		err = errors.New(parent + ": not a directory")
	}
	if err != nil {
		return fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("invalid --parent-path %s: %w", o.ParentPath, err)),
			"it is the --image-path of an earlier --pre-dump, relative to this --image-path")
	}
	return nil
}

// dumpOptions adds what a dump has beside common.
func (o *Options) dumpOptions(c *call, pid int, spec *specs.Spec, h *Host) error {
	opts := c.opts
	opts.Pid = ptr(int32(pid))
	opts.Root = &h.Rootfs
	opts.LeaveRunning, opts.TcpSkipInFlight, opts.LinkRemap = &o.LeaveRunning, &o.TCPSkipInFlight, &o.LinkRemap
	opts.Ps, _ = o.pageServer()
	if h.Cgroup.Freezer != "" {
		opts.FreezeCgroup = &h.Cgroup.Freezer
	}
	if o.ParentPath != "" {
		opts.ParentImg = &o.ParentPath
		opts.TrackMem = ptr(true)
	}
	if o.PreDump {
		opts.TrackMem = ptr(true)
	}
	if o.StatusFD >= 0 {
		opts.StatusFd = ptr(int32(o.StatusFD)) // as that of this process, by /proc/PID/fd
	}
	all, err := mountsOf(pid)
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("read the container's mounts: %w", err))
	}
	if opts.External, err = externalMounts(pid, spec, all); err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("find the mounts that come from the host: %w", err))
	}
	namespaces, err := externalNamespaces(pid, spec)
	if err != nil {
		return err
	}
	streams, err := streamsOf(pid, all)
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("find the standard streams: %w", err))
	}
	for _, stream := range streams {
		if key, _, ok := fileKey(stream); ok {
			namespaces = append(namespaces, key)
		}
	}
	opts.External = append(opts.External, namespaces...)
	_, set := c.settings["lazy-pages"]
	c.lazy = o.LazyPages || set
	c.notify = func(script string, _ int, files []*os.File) error {
		closeAll(files)
		if script != postDump {
			return nil
		}
		if err := o.saveStreams(streams); err != nil {
			return err
		}
		return h.Saved(c.lazy)
	}
	return nil
}
