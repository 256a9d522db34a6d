package criu

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// descriptorsFile is in the image directory and tells where the standard streams led. It has runc's name and form.
const descriptorsFile = "descriptors.json"

// Dump saves the process pid, which is the container's init, and all its children. Unless the options say otherwise
// criu ends them then. After an error they run on.
func (o *Options) Dump(pid int, spec *specs.Spec, h *Host) error {
	path, err := find()
	if err != nil {
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
	if !o.PreDump {
		if err := o.saveDescriptors(pid); err != nil {
			return err
		}
	}
	return c.run(path)
}

// prepareImages makes the directories that are to be written.
func (o *Options) prepareImages() error {
	for _, dir := range []string{o.ImagePath, o.WorkPath} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
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
	if o.StatusFD != 0 {
		opts.StatusFd = ptr(c.inherit(os.NewFile(uintptr(o.StatusFD), "status")))
	}
	c.notify = func(string, int, []*os.File) error { return nil }
	external, err := externalMounts(pid, spec)
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("find the mounts that come from the host: %w", err))
	}
	namespaces, err := externalNamespaces(pid, spec)
	if err != nil {
		return err
	}
	opts.External = append(external, namespaces...)
	return nil
}

// saveDescriptors writes where the standard streams lead: a restore gives its own in place of pipes.
func (o *Options) saveDescriptors(pid int) error {
	var paths [3]string
	for fd := range paths {
		to, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(fd))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.CRIU, "", err)
		}
		paths[fd] = to
	}
	b, err := json.Marshal(paths)
	if err == nil {
		err = os.WriteFile(filepath.Join(o.ImagePath, descriptorsFile), b, 0o600)
	}
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("write %s: %w", descriptorsFile, err))
	}
	return nil
}
