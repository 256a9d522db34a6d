package criu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Events are what happens on the way of a restore. An error of one of them ends it.
type Events struct {
	Placed     func(pid int) error         // criu itself is there, as pid, and waits
	Namespaces func(pid int) error         // the container's init is there, in its namespaces; no process of it runs yet
	Restored   func(pid int) error         // all processes are there, and are to run next
	Console    func(master *os.File) error // the terminal's master, which it may keep
}

// inventory is the image file that each dump has.
const inventory = "inventory.img"

// empty tells whether a directory that is there has no image files.
func empty(dir string) bool {
	_, noDir := os.Stat(dir)
	_, err := os.Stat(filepath.Join(dir, inventory))
	return noDir == nil && errors.Is(err, os.ErrNotExist)
}

// Restore makes the processes anew. The container's init is then a child of the caller.
//
// criu runs in a mount namespace of its own, a slave of the host's, where the root filesystem is mounted on stage, an
// empty directory: criu wants a mount, and nothing of it can be left behind.
func (o *Options) Restore(stage string, spec *specs.Spec, h *Host, e *Events) error {
	path, err := find()
	if err != nil {
		return err
	}
	if empty(o.ImagePath) {
		return fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("no image files in %s", o.ImagePath)), "give their directory by --image-path")
	}
	if o.WorkPath != "" {
		if err := os.MkdirAll(o.WorkPath, 0o711); err != nil {
			return fault.New(fault.Usage, "", fmt.Errorf("make work directory: %w", err))
		}
	}
	c, err := o.common(rpc.CriuReqType_RESTORE, "restore.log", spec, h)
	if err != nil {
		return err
	}
	c.placed, c.notify = e.Placed, e.answer
	if err := o.restoreOptions(c, spec, h); err != nil {
		return err
	}
	if hasNamespace(spec, specs.MountNamespace) {
		// In criu's and the kernel's lists of mounts it goes by its real path; /var/run is a link.
		if stage, err = filepath.EvalSymlinks(stage); err != nil {
			return fault.New(fault.StateDirectory, "", err)
		}
		if err := makeMountpoints(spec, h); err != nil {
			return err
		}
		c.opts.Root = &stage
		c.thread = func() error { return mountRoot(h.Rootfs, stage) }
	}
	closeStreams, err := o.inheritStreams(c)
	defer closeStreams()
	if err != nil {
		return err
	}
	closeNamespaces, err := c.restoreNamespaces(spec)
	if err != nil {
		return err
	}
	defer closeNamespaces()
	return c.run(path)
}

// restoreOptions adds what a restore has beside common.
func (o *Options) restoreOptions(c *call, spec *specs.Spec, h *Host) error {
	opts := c.opts
	opts.RstSibling = ptr(true)
	if o.LSMProfile != "" {
		opts.LsmProfile = &o.LSMProfile
	}
	if o.LSMMountContext != "" {
		opts.LsmMountContext = &o.LSMMountContext
	}
	for i := range h.Cgroup.Places {
		p := &h.Cgroup.Places[i]
		root := &rpc.CgroupRoot{Path: &p.Path}
		if len(p.Controllers) > 0 {
			root.Ctrl = ptr(strings.Join(p.Controllers, ","))
		}
		opts.CgRoot = append(opts.CgRoot, root)
	}
	var err error
	opts.External, err = sources(spec, h)
	return err
}

// answer meets a notification of criu (https://criu.org/RPC, "Notifications").
func (e *Events) answer(script string, pid int, files []*os.File) error {
	if script != "orphan-pts-master" {
		closeAll(files)
	}
	switch script {
	case "setup-namespaces":
		return e.Namespaces(pid)
	case "post-restore":
		return e.Restored(pid)
	case "orphan-pts-master":
		if len(files) == 1 {
			return e.Console(files[0])
		}
		closeAll(files)
		return fault.New(fault.CRIU, "", fmt.Errorf("criu sent %d terminals, want 1", len(files)))
	}
	return nil
}

// mountRoot gives the calling thread a mount namespace with the root filesystem on stage. Of the host's mounts only
// the one that stage is on stops to be shared, so that this does not show there.
func mountRoot(rootfs, stage string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	on, err := mountinfo.GetMounts(mountinfo.ParentsFilter(stage))
	if err != nil {
		return err
	}
	longest := "/"
	for _, m := range on {
		if len(m.Mountpoint) > len(longest) {
			longest = m.Mountpoint
		}
	}
	if err := unix.Mount("", longest, "", unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make %s a slave: %w", longest, err)
	}
	if err := unix.Mount(rootfs, stage, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount root filesystem: %w", err)
	}
	// Not private: the container's root is a slave of the host's mount, and criu takes that over from this one.
	if err := unix.Mount("", stage, "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make root filesystem a slave: %w", err)
	}
	return nil
}
