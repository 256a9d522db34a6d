// Package spawn starts a process in namespaces that are made new or joined, without a line of C.
package spawn

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
	"mydocker/internal/signals"
)

// Join is a namespace that is joined by a descriptor.
type Join struct {
	Type specs.LinuxNamespaceType
	File *os.File // its name is the path of the configuration, for errors
}

// Command is a process to be started. It is the leader of a session of its own, with no signal blocked, and none
// handled by what the caller set.
type Command struct {
	Exe   *os.File // what is executed (execveat(2), AT_EMPTY_PATH)
	Args  []string
	Env   []string
	Files []*os.File // descriptors 0, 1, … of the process, nil is /dev/null; it gets no others
	New   uintptr    // CLONE_NEW* flags of the namespaces to be made
	Joins []Join     // namespaces to be joined
	// JoinPid and JoinFlags join namespaces of a process, by its pidfd (setns(2), Linux 5.8).
	JoinPid   *os.File
	JoinFlags uintptr
	// Privileged says that the caller is root of the initial user namespace: a user namespace is then joined last,
	// while the caller still has its power over the others, and first otherwise, for the power that it brings.
	Privileged bool
	// UserRoot makes the process root of its user namespace, where 0 is mapped, before it makes the other namespaces:
	// the kernel gives what is in them to who makes them (/dev/mqueue belongs to the maker of the ipc namespace).
	UserRoot bool
	Cgroup   *os.File // cgroup v2 directory to be started in (CLONE_INTO_CGROUP, Linux 5.7)
	// Outside is a cgroup.procs file. The process moves itself there once it has made its cgroup namespace.
	Outside *os.File
	// OwnMemory has the process not share the caller's memory until its execve: for who sets what the kernel keeps for a
	// memory, as the oom score.
	OwnMemory   bool
	TimeOffsets []byte // for /proc/PID/timens_offsets of a new time namespace (time_namespaces(7))

	// Placed is called when the process exists, and does not go on to its cgroup namespace (which shows the cgroup of
	// this time as its root) before it returns. An error of Placed or Mapped is returned by Start as it is.
	Placed func(pid int) error
	// Mapped is called when the process is in the user namespace that New asks for: it writes the maps.
	Mapped func(pid int) error
	// Catcher has the signals that end a Start.
	Catcher *signals.Catcher
	// Freed is called before a process that is given up is killed: what cgroup v1 has frozen would not end.
	Freed func(pid int)
}

// Process is a process that was started: a child of the caller, who has to wait for it.
type Process struct {
	Pid   int      // in the caller's pid namespace
	Pidfd *os.File // the receiver closes it
	gone  bool     // was waited for
}

// Start starts the process, and returns when execve has succeeded or something has failed. In the latter case no
// process is left. Errors of the child are *Error in a *fault.Error. A process that is killed from outside before
// execve may count as started, as one that is killed right after it does.
//
// Starts at the same time work, but until its execve each child holds the ends of the others open: one whose parent
// dies just then is not told.
func (c *Command) Start() (*Process, error) {
	s, err := c.assemble()
	if err != nil {
		return nil, err
	}
	defer s.close()
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err := s.clone(s.early()); err != nil {
		return nil, err
	}
	defer undump(dumpable)
	if err := s.attend(); err != nil {
		if c.Freed != nil {
			c.Freed(s.process.Pid)
		}
		s.process.Kill()
		_ = s.process.Pidfd.Close()
		return nil, err
	}
	p := s.process
	return &p, nil
}

// assemble makes the program of the child. The caller closes it.
func (c *Command) assemble() (*spawn, error) {
	s, err := c.prepare()
	if err != nil {
		return nil, err
	}
	rest := c.New &^ s.early()
	if flags := s.meanwhile(); flags != 0 {
		s.call("unshare "+flagNames(flags), unix.SYS_UNSHARE, flags)
		rest &^= flags
	}
	s.wait()
	s.namespaces(rest)
	if err := s.files(); err != nil {
		s.close()
		return nil, err
	}
	s.again(rest)
	if err := s.exec(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// spawn is a Command while it is started.
type spawn struct {
	*Command
	program
	first   child
	second  *child // the child's, if it clones again
	pidfd   int32
	process Process
}

// arm sets what the children are given.
func (s *spawn) arm(namespaces uintptr) {
	vm := s.memory()
	s.first.ops, s.first.count, s.first.socket = &s.ops[0], uintptr(len(s.ops)), s.theirs
	s.first.args.pidfd = uint64(uintptr(unsafe.Pointer(&s.pidfd)))
	s.first.args.exitSignal = uint64(unix.SIGCHLD)
	s.first.arm(namespaces | vm | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND)
	if s.Cgroup != nil {
		s.first.args.flags |= unix.CLONE_INTO_CGROUP
		s.first.args.cgroup = uint64(s.Cgroup.Fd())
	}
	if c := s.second; c != nil {
		c.ops, c.count, c.socket = &s.ops[c.index], uintptr(len(s.ops))-c.index, s.theirs
		// The signal of a sibling's end is that of the first child (clone(2)).
		c.arm(unix.CLONE_PARENT | vm)
	}
}

// undump gives the parent back what PR_SET_DUMPABLE said before. Only 1 can be given.
func undump(before int) {
	if after, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil && before == 1 && after != 1 {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

// clone makes the child, with new namespaces.
func (s *spawn) clone(namespaces uintptr) error {
	s.arm(namespaces)
	// Between these two the goroutine stays on its thread.
	beforeFork()
	entry.Prompt()
	pid, errno := clone(&s.first.args, unsafe.Sizeof(s.first.args), &s.first)
	afterFork()
	// The files of the command, too, must not be closed by the collector before the child has its copies.
	runtime.KeepAlive(s)
	s.closeEnds()
	if errno != 0 {
		return s.cloneError(errno)
	}
	s.process = Process{Pid: int(pid), Pidfd: os.NewFile(uintptr(s.pidfd), "pidfd")}
	return nil
}

// attend does the parent's part until the child's end of the socket is closed: by execve, or by its end.
func (s *spawn) attend() error {
	if s.Placed != nil {
		if err := s.Placed(s.process.Pid); err != nil {
			return cmp.Or(s.refused(), err)
		}
	}
	if s.first.args.flags&unix.CLONE_NEWUSER != 0 {
		if err := s.mapped(s.process.Pid); err != nil {
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
			err = s.answer(int(r.index))
		}
		if err == nil {
			err = s.open()
		}
		if err != nil {
			return err
		}
	}
}

// refused is why the child has ended before it was let go on, nil if it has not.
func (s *spawn) refused() error {
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(s.socket), Events: unix.POLLIN}}, 0); n <= 0 {
		return nil
	}
	if r, err := s.read(); err == nil && r != nil && r.what == failed {
		return s.explain(r)
	}
	return nil
}

// answer does what the child has asked for.
func (s *spawn) answer(index int) error {
	f := s.told[index]
	if f == nil {
		return fmt.Errorf("status of child: no question at %d", index)
	}
	return f(s.process.Pid)
}

// open lets the child go on.
func (s *spawn) open() error {
	err := unix.EINTR
	for err == unix.EINTR {
		err, _ = unix.Send(s.socket, []byte{1}, unix.MSG_NOSIGNAL).(unix.Errno)
	}
	switch err {
	case 0:
		return nil
	case unix.EPIPE, unix.ECONNRESET:
		return cmp.Or(s.refused(), s.died())
	}
	return fmt.Errorf("release child: %w", err)
}

// read waits for the next report; nil is the end.
func (s *spawn) read() (*report, error) {
	r := new(report)
	b := unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r))
	unread := false
	for {
		if err := s.watch(); err != nil {
			return nil, err
		}
		n, _, err := unix.Recvfrom(s.socket, b, 0)
		switch {
		case err == unix.EINTR:
		case err == unix.ECONNRESET && !unread: // it ended without reading what it was sent, perhaps after a report
			unread = true
		case err != nil:
			return nil, fmt.Errorf("read status of child: %w", err)
		case n == 0 && unread:
			return nil, s.died()
		case n == 0:
			return nil, nil
		case n < len(b):
			return nil, fmt.Errorf("read status of child: %d bytes, want %d", n, len(b))
		default:
			return r, nil
		}
	}
}

// watch waits until there is something to read. A child that has yet to clone again and is killed in between leaves a
// second one, unknown to the parent, that holds the socket open and waits; that one ends when the socket is closed.
func (s *spawn) watch() error {
	if !s.forks {
		return s.Catcher.Await(s.socket)
	}
	readable, err := s.Catcher.AwaitEither(s.socket, int(s.process.Pidfd.Fd()))
	if err != nil || readable {
		return err
	}
	// What it wrote before its end is there by now.
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(s.socket), Events: unix.POLLIN}}, 0); n == 0 {
		return s.died()
	}
	return nil
}

// follow takes the second child in place of the first, which ends: they are siblings.
func (s *spawn) follow(pid int) error {
	if !s.forks {
		return fmt.Errorf("status of child: unexpected process %d", pid)
	}
	s.process.Reap()
	_ = s.process.Pidfd.Close()
	// The pid cannot be another's: it is our child, and was not waited for.
	s.process, s.forks = Process{Pid: pid}, false
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd of child: %w", err)
	}
	s.process.Pidfd = os.NewFile(uintptr(fd), "pidfd")
	return nil
}
