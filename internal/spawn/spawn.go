// Package spawn starts a process in namespaces that are made new or joined, without a line of C.
package spawn

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Join is a namespace that is joined by a descriptor.
type Join struct {
	Type specs.LinuxNamespaceType
	File *os.File
}

// Command is a process to be started.
type Command struct {
	Exe   *os.File // what is executed
	Args  []string
	Env   []string
	Files []*os.File // descriptors 0, 1, … of the process; it gets no others
	New   uintptr    // CLONE_NEW* flags of the namespaces to be made
	Joins []Join     // namespaces to be joined
	// JoinPid and JoinFlags join namespaces of a process, by its pidfd (setns(2), Linux 5.8).
	JoinPid   *os.File
	JoinFlags uintptr
	// Privileged says that the caller is root of the initial user namespace: a user namespace is then joined last,
	// while the caller still has its power over the others, and first otherwise, for the power that it brings.
	Privileged bool
	// UserRoot makes the process root of its user namespace, where 0 is mapped, before it makes the other namespaces:
	// the kernel gives what is in them to who makes them.
	UserRoot bool
	Cgroup   *os.File // cgroup v2 directory to be started in (CLONE_INTO_CGROUP, Linux 5.7)
	// Outside is a cgroup.procs file. The process moves itself there once it has made its cgroup namespace.
	Outside     *os.File
	TimeOffsets []byte // for /proc/PID/timens_offsets of a new time namespace (time_namespaces(7))

	// Placed is called when the process exists and waits, in the caller's user namespace.
	Placed func(pid int) error
	// Mapped is called when the process is in the user namespace that New asks for: it writes the maps.
	Mapped func(pid int) error
}

// Process is a process that was started: a child of the caller.
type Process struct {
	Pid   int
	Pidfd *os.File
}

// Error is an operation of the child that failed.
type Error struct {
	Op    string
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Op + ": " + e.Errno.Error() }
func (e *Error) Unwrap() error { return e.Errno }

// all are the namespaces that are unshared once the process is root of its user namespace.
const all = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_NEWPID

// Start starts the process, and returns when execve has succeeded or something has failed. No process is left then.
func (c *Command) Start() (*Process, error) {
	s, err := newSpawn(c)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.clone(); err != nil {
		return nil, err
	}
	if err := s.attend(); err != nil {
		s.process.Kill()
		return nil, err
	}
	return &s.process, nil
}

// spawn is a Command while it is started.
type spawn struct {
	*Command
	program
	args    cloneArgs
	pidfd   int32
	report  report // the child's
	process Process
	gate    *os.File // the parent's end
	status  *os.File
}

// attend does the parent's part until the child's end of the status pipe is closed: by execve, or by its end.
func (s *spawn) attend() error {
	if s.Placed != nil {
		if err := s.Placed(s.process.Pid); err != nil {
			return err
		}
	}
	if s.args.flags&unix.CLONE_NEWUSER != 0 {
		if err := s.Mapped(s.process.Pid); err != nil {
			return err
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	for {
		r, err := s.read()
		if err != nil || r == nil {
			return err
		}
		switch r.what {
		case failed:
			return s.explain(r)
		case fork:
			err = s.follow(int(r.value))
		case tell:
			if err = s.told[int(r.index)](s.process.Pid); err == nil {
				err = s.open()
			}
		}
		if err != nil {
			return err
		}
	}
}

// open lets the child go on.
func (s *spawn) open() error {
	if _, err := s.gate.Write([]byte{1}); err != nil {
		return fmt.Errorf("release child: %w", err)
	}
	return nil
}

// read waits for the next report; nil is the end.
func (s *spawn) read() (*report, error) {
	var r report
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	for {
		n, err := unix.Read(int(s.status.Fd()), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("read status of child: %w", err)
		case n == 0:
			return nil, nil
		case n < len(b):
			return nil, errors.New("read status of child: short report")
		default:
			return &r, nil
		}
	}
}

// follow takes the second child in place of the first, which ends: they are siblings.
func (s *spawn) follow(pid int) error {
	first := s.process
	s.process = Process{Pid: pid}
	first.Reap()
	_ = first.Pidfd.Close()
	// The pid cannot be another's: it is our child, and was not waited for.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd of child: %w", err)
	}
	s.process.Pidfd = os.NewFile(uintptr(fd), "pidfd")
	return nil
}

func (s *spawn) explain(r *report) error {
	err := &Error{Op: s.names[r.index], Errno: syscall.Errno(r.value)}
	return hint(fault.New(fault.Namespace, "linux.namespaces", err), err)
}

// hint says what is known of an error that namespaces meet.
func hint(err error, e *Error) error {
	switch e.Errno {
	case unix.EPERM:
		if os.Geteuid() != 0 {
			return fault.Hint(err, "who is not root needs a user namespace: `spec --rootless` makes such a configuration")
		}
		return fault.Hint(err, "user namespaces may be disabled, or a security module may forbid them: see sysctl kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns")
	case unix.ENOSPC:
		return fault.Hint(err, "the limit of namespaces is reached: see the sysctls user.max_*_namespaces")
	case unix.EINVAL:
		return fault.Hint(err, "this kernel may have been built without one of the namespaces")
	}
	return err
}

// clone makes the child.
func (s *spawn) clone() error {
	// All that the child reads and writes is on the heap and kept by s: a stack may move.
	s.args.flags |= unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND
	s.args.pidfd = uint64(uintptr(unsafe.Pointer(&s.pidfd)))
	s.args.exitSignal = uint64(unix.SIGCHLD)
	runtime.LockOSThread()
	beforeFork()
	pid, errno := clone(&s.args, s.ops, s.statusFD, &s.report)
	afterFork()
	runtime.UnlockOSThread()
	runtime.KeepAlive(s)
	s.childEnds()
	if errno != 0 {
		e := &Error{Op: "clone " + flagNames(uintptr(s.args.flags)), Errno: errno}
		return hint(fault.New(fault.Namespace, "linux.namespaces", e), e)
	}
	s.process = Process{Pid: int(pid), Pidfd: os.NewFile(uintptr(s.pidfd), "pidfd")}
	return nil
}

// Reap waits for the end of the process and returns its status.
func (p *Process) Reap() (status unix.WaitStatus) {
	for {
		_, err := unix.Wait4(p.Pid, &status, 0, nil)
		if err != unix.EINTR {
			return status
		}
	}
}

// Kill ends the process and waits until it is gone.
func (p *Process) Kill() {
	if p.Pid > 0 {
		_ = unix.Kill(p.Pid, unix.SIGKILL)
		p.Reap()
		p.Pid = 0
	}
}

// Stop sends the process a SIGKILL and does not wait: whoever waits for what it does hears of its end.
func (p *Process) Stop() {
	_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), unix.SIGKILL, nil, 0)
}

// flagNames names the namespaces among flags, for errors.
func flagNames(flags uintptr) string {
	var names []string
	for _, n := range []struct {
		flag uintptr
		name string
	}{
		{unix.CLONE_NEWUSER, "user"}, {unix.CLONE_NEWPID, "pid"}, {unix.CLONE_NEWNS, "mount"}, {unix.CLONE_NEWUTS, "uts"},
		{unix.CLONE_NEWIPC, "ipc"}, {unix.CLONE_NEWNET, "network"}, {unix.CLONE_NEWCGROUP, "cgroup"}, {unix.CLONE_NEWTIME, "time"},
	} {
		if flags&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	if len(names) == 0 {
		return "child"
	}
	return strings.Join(names, ", ") + " namespace"
}
