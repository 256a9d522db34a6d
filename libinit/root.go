package libinit

import (
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Root makes the root filesystem a mount of its own, cut off from the host as rootfsPropagation says.
type Root struct {
	Path           string // absolute
	Shared         bool   // mounts of the container are to reach the host: see Do
	Private        bool   // host's mounts are not to reach the root filesystem
	ParentOnDenied bool
	Chroot         bool // there is no mount namespace of the container's own: nothing is mounted
	// ReadonlyBelow makes the mounts below the root read-only: those of the host, whose root it is.
	ReadonlyBelow bool
}

// rootPropagation gives the flags of a value of linux.rootfsPropagation.
func rootPropagation(value string) (uint64, bool) {
	switch value {
	case "", "slave", "rslave", "private", "rprivate", "shared", "rshared", "unbindable", "runbindable":
	default:
		return 0, false
	}
	if value == "" {
		return 0, true
	}
	return findOption(value).flag, true
}

// rootfs adds the root filesystem.
func (p *planner) rootfs() error {
	var propagation uint64
	if p.spec.Linux != nil {
		var ok bool
		if propagation, ok = rootPropagation(p.spec.Linux.RootfsPropagation); !ok {
			p.bad(fault.Expect("shared, slave, private or unbindable", fault.New(fault.Config, "linux.rootfsPropagation",
				fmt.Errorf("rootfsPropagation %q is none of shared, slave, private, unbindable", p.spec.Linux.RootfsPropagation))))
		}
	}
	if p.spec.Root == nil || p.spec.Root.Path == "" {
		return fault.New(fault.Config, "root.path", fmt.Errorf("root.path must not be empty"))
	}
	private := p.hasNamespace(specs.MountNamespace)
	if !private {
		p.checkShared()
	}
	p.add("root.path", &Root{
		Chroot:         !private,
		Path:           sourcePath(p.spec.Root.Path, p.opts.Bundle),
		Shared:         propagation&unix.MS_SHARED != 0,
		Private:        propagation&(unix.MS_PRIVATE|unix.MS_UNBINDABLE) != 0,
		ParentOnDenied: p.opts.UserNamespace,
		ReadonlyBelow:  p.spec.Root.Readonly && filepath.Clean(p.spec.Root.Path) == "/",
	})
	return nil
}

// checkShared refuses what would be mounted in the runtime's own mount namespace, for a container without one of its
// own (config-linux.md, "Namespaces"): that is the host's.
func (p *planner) checkShared() {
	l := p.spec.Linux
	for _, c := range [...]struct {
		field string
		asked bool
	}{
		{"mounts", len(p.spec.Mounts) > 0},
		{"root.readonly", p.spec.Root.Readonly},
		{"linux.maskedPaths", l != nil && len(l.MaskedPaths) > 0},
		{"linux.readonlyPaths", l != nil && len(l.ReadonlyPaths) > 0},
		{"linux.rootfsPropagation", l != nil && l.RootfsPropagation != ""},
		{"process.terminal", p.spec.Process != nil && p.spec.Process.Terminal},
	} {
		if c.asked {
			p.bad(&fault.Error{
				Code: fault.Config, Field: c.field, Hint: `add {"type": "mount"} to linux.namespaces`,
				Err: fmt.Errorf("unable to apply %s without a private MNT namespace", c.field),
			})
		}
	}
}

func (r *Root) String() string { return "root filesystem " + r.Path }

// Do makes it.
func (r *Root) Do(e *Env) error {
	if err := r.do(e); err != nil {
		return fault.New(fault.Rootfs, "", fmt.Errorf("prepare rootfs: %w", err))
	}
	return nil
}

func (r *Root) do(e *Env) error {
	// The umask of whoever called is not to decide who can go through the mount points that are made, nor the program's.
	unix.Umask(0o022)
	if r.Chroot {
		fd, err := unix.Open(r.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: r.Path, Err: err}
		}
		e.Root = os.NewFile(uintptr(fd), "/")
		return nil
	}
	// Sources of bind mounts stay slaves of the host's mounts, also when the root itself is to be private: their own
	// options say what becomes of them. With shared they stay shared, so that the container's mounts in a volume
	// that asks for it reach the host.
	if !r.Shared {
		if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
			err = fmt.Errorf("make / a slave: %w", err)
			if errno(err) == unix.EINVAL {
				return fault.Hint(err, chrootHint)
			}
			return err
		}
	}
	at, err := unix.Open(r.Path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.EACCES && r.ParentOnDenied {
		return r.fromParent(e, &os.PathError{Op: "open", Path: r.Path, Err: err})
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: r.Path, Err: err}
	}
	defer closeFd(at)
	if r.Shared {
		// A mount on a shared one would appear on the host, and pivot_root(2) refuses.
		if err := privateParent(at); err != nil {
			return err
		}
	}
	fd, err := cloneTree(at, "", true)
	if err != nil {
		return rootHint(fmt.Errorf("clone %s: %w", r.Path, err))
	}
	if r.ReadonlyBelow {
		if err := readonlyBelow(fd); err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("make the mounts below %s read-only: %w", r.Path, err)
		}
	}
	return r.attach(e, fd, at)
}

// readonlyBelow makes all mounts of a tree read-only but the one at its top, which becomes so when it is complete.
func readonlyBelow(fd int) error {
	var top unix.Statfs_t
	if err := unix.Fstatfs(fd, &top); err != nil {
		return err
	}
	if err := setAttr(fd, true, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return err
	}
	if top.Flags&unix.ST_RDONLY != 0 {
		return nil
	}
	return setAttr(fd, false, unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
}

// attach makes the clone the root of the plan, mounted over what it is a clone of: hooks of engines look for it there.
func (r *Root) attach(e *Env, fd, at int) error {
	magic, err := filesystem(fd)
	if err != nil {
		return err
	}
	if magic == unix.PROC_SUPER_MAGIC {
		return fmt.Errorf("%s is on a procfs", r.Path) // where no mount may go, as refuseProc says
	}
	e.Root = os.NewFile(uintptr(fd), "/")
	if r.Private || r.Shared {
		if err := setPropagation(fd, unix.MS_PRIVATE); err != nil {
			return fmt.Errorf("make %s private: %w", r.Path, err)
		}
	}
	if err := attach(fd, at); err != nil {
		return fmt.Errorf("mount %s: %w", r.Path, err)
	}
	return nil
}

// fromParent takes the root filesystem from the parent when root of the user namespace cannot go through the
// directories above it. It is mounted over the host's root, the one place that can always be reached.
func (r *Root) fromParent(e *Env, denied error) error {
	fd, err := e.sourceFd(RootSource)
	if err != nil {
		return fault.Hint(denied, "root of the container's user namespace must be able to search every directory of the path: chmod o+x, or move the bundle")
	}
	at, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		closeFd(fd)
		return &os.PathError{Op: "open", Path: "/", Err: err}
	}
	defer closeFd(at)
	if r.Shared {
		if err := setPropagation(at, unix.MS_PRIVATE); err != nil {
			return fmt.Errorf("make / private: %w", err)
		}
	}
	return r.attach(e, fd, at)
}

func rootHint(err error) error {
	if errno(err) == unix.ENOSYS {
		return fault.Hint(err, "mydocker needs Linux 5.12: open_tree came with 5.2, mount_setattr with 5.12")
	}
	return err
}

// privateParent makes the mount that dir is on private in this mount namespace.
func privateParent(dir int) error {
	fd, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	for {
		root, err := isMountRoot(fd)
		if err == nil && root {
			err = setPropagation(fd, unix.MS_PRIVATE)
			closeFd(fd)
			return err
		}
		var up int
		if err == nil {
			up, err = unix.Openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		closeFd(fd)
		if err != nil {
			return fmt.Errorf("find the mount of the rootfs: %w", err)
		}
		fd = up
	}
}
