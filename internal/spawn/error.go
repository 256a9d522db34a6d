package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Error is an operation of the child that failed.
type Error struct {
	Op    string // as "unshare user namespace"
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Op + ": " + e.Errno.Error() }
func (e *Error) Unwrap() error { return e.Errno }

// explain makes the error of an op that failed.
func (s *spawn) explain(r *report) error {
	if r.index >= uintptr(len(s.labels)) {
		return fmt.Errorf("status of child: no operation %d", r.index)
	}
	l := s.labels[r.index]
	e := &Error{Op: l.String(), Errno: syscall.Errno(r.value)}
	if l.code != fault.Namespace {
		return fault.New(l.code, "", e)
	}
	return hint(fault.New(fault.Namespace, "linux.namespaces", e), e)
}

// cloneError makes the error of the first clone.
func (s *spawn) cloneError(errno syscall.Errno) error {
	e := &Error{Op: "clone " + flagNames(uintptr(s.first.args.flags)), Errno: errno}
	if s.Cgroup != nil {
		// These the kernel has for the cgroup alone (clone(2)).
		switch errno {
		case unix.EBUSY, unix.EOPNOTSUPP, unix.EACCES, unix.ENODEV:
			e.Op = "adding pid of the process to cgroups: clone into " + s.Cgroup.Name()
			err := fault.New(fault.Cgroup, "linux.cgroupsPath", e)
			if errno == unix.EBUSY {
				return fault.Hint(err, "a cgroup that hands controllers on to its children (cgroup.subtree_control) cannot hold processes itself")
			}
			return err
		}
	}
	return hint(fault.New(fault.Namespace, "linux.namespaces", e), e)
}

// died makes the error of a child that was ended from outside.
func (s *spawn) died() error {
	how, ok := s.process.Ended()
	if !ok {
		how = "gone"
	}
	return fault.New(fault.Process, "", fmt.Errorf("child ended early: %s", how))
}

// hint says what is known of an error that namespaces meet.
func hint(err error, e *Error) error {
	user := strings.Contains(e.Op, "user")
	switch e.Errno {
	case unix.EPERM:
		return fault.Hint(err, refusal(user))
	case unix.ENOSPC, unix.EUSERS:
		if names := exhausted(e.Op); names != "" {
			return fault.Hint(err, "these namespaces are disabled: "+names+" is 0 (sysctl)")
		}
		return fault.Hint(err, "the limit of namespaces is reached: see the sysctls user.max_*_namespaces; they nest at most 32 deep")
	case unix.EAGAIN:
		return fault.Hint(err, "the limit of processes is reached: RLIMIT_NPROC, or pids.max of the cgroup")
	case unix.EINVAL:
		return fault.Hint(err, "this kernel may have been built without one of the namespaces")
	case unix.ENOSYS:
		return fault.Hint(err, "Linux 5.12 or later is needed; an outer seccomp filter may forbid the call, too")
	}
	return err
}

// refusal says why a namespace may have been refused with EPERM.
func refusal(user bool) string {
	switch {
	case !user && os.Geteuid() != 0:
		return "who is not root needs a user namespace: `spec --rootless` makes such a configuration"
	case isSet("kernel/unprivileged_userns_clone", "0"):
		return "user namespaces are for root alone: sysctl kernel.unprivileged_userns_clone is 0"
	case isSet("kernel/apparmor_restrict_unprivileged_userns", "1") && os.Geteuid() != 0:
		return "AppArmor forbids user namespaces to programs without a profile: sysctl kernel.apparmor_restrict_unprivileged_userns is 1"
	case user:
		return "user namespaces are refused in a chroot, and where a security module forbids them"
	}
	return "CAP_SYS_ADMIN is needed over the namespace and over one's own user namespace"
}

func isSet(sysctl, value string) bool {
	b, err := os.ReadFile("/proc/sys/" + sysctl)
	return err == nil && string(bytes.TrimSpace(b)) == value
}

// cause takes the path off an error: it has the number of a process in it, which says nothing.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
