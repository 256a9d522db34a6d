package libinit

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Pivot makes the root filesystem the root of init's mount namespace, and takes the host's away.
type Pivot struct {
	NoPivot bool // move and chroot instead, for a host whose root is a RAM disk
	Shared  bool // the host's root is shared still: the detaching must not reach the host
	Chroot  bool // the mount namespace is the host's: only the process gets the new root
}

// RootPropagation sets the propagation type of the root when it is complete.
type RootPropagation struct {
	Flags uint64
	Name  string
}

// pivot adds the change of the root.
func (p *planner) pivot() error {
	s := &Pivot{NoPivot: p.opts.NoPivot, Shared: sharesRoot(p.spec), Chroot: !p.hasNamespace(specs.MountNamespace)}
	p.add("root.path", s)
	return nil
}

// execRoot gives a further process the root filesystem of a container that has no mount namespace to find it in.
func (p *planner) execRoot() error {
	if p.hasNamespace(specs.MountNamespace) {
		return nil
	}
	p.add("root.path", &Root{Chroot: true, Path: sourcePath(p.spec.Root.Path, p.opts.Bundle)})
	p.add("root.path", &Pivot{Chroot: true})
	return nil
}

func (s *Pivot) String() string {
	switch {
	case s.Chroot:
		return "chroot"
	case s.NoPivot:
		return "move root filesystem to /, chroot"
	}
	return "pivot_root"
}

// Do changes the root.
func (s *Pivot) Do(e *Env) error {
	e.leaveDirectory()
	do := s.pivot
	switch {
	case s.Chroot:
		do = chroot
	case s.NoPivot:
		do = s.move
	}
	if err := do(e); err != nil {
		return fault.New(fault.Rootfs, "", err)
	}
	return nil
}

// pivot stacks the old root on the new one, pivot_root(2) "pivot_root(".", ".")", and detaches it from there.
func (s *Pivot) pivot(e *Env) error {
	old := -1
	if s.Shared {
		var err error
		if old, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return &os.PathError{Op: "open", Path: "/", Err: err}
		}
		defer closeFd(old)
	}
	if err := unix.Fchdir(int(e.Root.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return s.instead(e, os.NewSyscallError("pivot_root", err))
	}
	if s.Shared {
		// Detaching it would detach the host's mounts, too.
		if err := setPropagation(old, unix.MS_SLAVE|unix.MS_REC); err != nil {
			return fmt.Errorf("make the old root a slave: %w", err)
		}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return os.NewSyscallError("chdir", unix.Chdir("/"))
}

// instead does what works where the root cannot be pivoted, since it is the kernel's first one, the RAM disk that the
// machine was started from (initramfs; pivot_root(2), EINVAL). It moves the new root there, as --no-pivot asks for.
// That is as tight as a pivot only because nothing is above that root: in a chroot, which gives the same error, a
// process that gets out of its own would be on the host.
func (s *Pivot) instead(e *Env, err error) error {
	if errno(err) != unix.EINVAL {
		return err
	}
	switch first, lookErr := firstRoot(); {
	case lookErr != nil:
		return err
	case !first:
		return fault.Hint(err, chrootHint)
	}
	if err := e.log("debug", "pivot_root is not possible on a RAM disk: the root filesystem is moved to / instead"); err != nil {
		return err
	}
	return s.move(e)
}

// chrootHint is for a root that is no mount.
const chrootHint = "the runtime's own root is a chroot, out of which a container could get: start it in a mount namespace whose root is that directory (pivot_root(8))"

// firstRoot tells whether / is the topmost mount there is: its parent is itself.
func firstRoot() (bool, error) {
	top, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.Mountpoint != "/" || m.Parent != m.ID, false
	})
	return len(top) > 0, err
}

// move puts the new root over the old one, which stays below it, and so must not have anything of worth within
// reach of a process that gets out of a chroot: a full procfs or sysfs gives its files to who can mount one in a
// user namespace.
func (s *Pivot) move(e *Env) error {
	own, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", e.Root.Fd()))
	if err != nil {
		return err
	}
	if err := hideFull(own); err != nil {
		return err
	}
	if own != "/" { // else it is there already, see Root
		if err := s.moveToRoot(e); err != nil {
			return fmt.Errorf("move the root filesystem to /: %w", err)
		}
	}
	return chroot(e)
}

func (s *Pivot) moveToRoot(e *Env) error {
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/", Err: err}
	}
	defer closeFd(root)
	if s.Shared {
		if err := setPropagation(root, unix.MS_PRIVATE); err != nil {
			return fmt.Errorf("make / private: %w", err)
		}
	}
	return attach(int(e.Root.Fd()), root)
}

func chroot(e *Env) error {
	if err := unix.Fchdir(int(e.Root.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.NewSyscallError("chdir", unix.Chdir("/"))
}

// hideFull takes away the full procfs and sysfs mounts outside of the root filesystem, which is at own, or covers
// those that are locked.
func hideFull(own string) error {
	full, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		inside := m.Mountpoint == own || strings.HasPrefix(m.Mountpoint, own+"/")
		return inside || m.Root != "/" || m.FSType != "proc" && m.FSType != "sysfs", false
	})
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for i := len(full) - 1; i >= 0; i-- {
		if err := hideMount(full[i].Mountpoint); err != nil {
			return fmt.Errorf("hide %s: %w", full[i].Mountpoint, err)
		}
	}
	return nil
}

func hideMount(path string) error {
	// The host's mounts must keep theirs.
	err := unix.Mount("", path, "", unix.MS_SLAVE|unix.MS_REC, "")
	if err == nil {
		err = unix.Unmount(path, unix.MNT_DETACH)
	}
	switch err {
	case unix.EINVAL, unix.EPERM: // locked, or below another mount
		return unix.Mount("tmpfs", path, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "nr_blocks=1,nr_inodes=1")
	case unix.ENOENT: // below one that is gone by now
		return nil
	}
	return err
}

func (s *RootPropagation) String() string { return "propagation of /: " + s.Name }

// Do sets it.
func (s *RootPropagation) Do(e *Env) error {
	if err := setPropagation(int(e.Root.Fd()), s.Flags); err != nil {
		return fault.New(fault.Rootfs, "", fmt.Errorf("set propagation of / to %s: %w", s.Name, err))
	}
	return nil
}
