package spawn

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// program is what the child runs, and what has to live until it has.
type program struct {
	ops      []op
	names    []string // of each op, for errors
	told     map[int]func(pid int) error
	statusFD uintptr
	keep     []any
	ends     []*os.File // descriptors that only the child needs
}

// call appends a system call of the child.
func (p *program) call(name string, nr uintptr, a ...uintptr) *op {
	o := op{nr: nr}
	copy(o.a[:], a)
	p.ops = append(p.ops, o)
	p.names = append(p.names, name)
	return &p.ops[len(p.ops)-1]
}

func (p *program) bytes(s string) uintptr {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		// The validation of the configuration refuses NUL bytes.
		b = new(byte)
	}
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(b))
}

func (p *program) pointers(list []string) uintptr {
	v := make([]uintptr, len(list)+1)
	for i, s := range list {
		v[i] = p.bytes(s)
	}
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(&v[0]))
}

func (s *spawn) close() {
	for _, f := range []*os.File{s.gate, s.status} {
		if f != nil {
			_ = f.Close()
		}
	}
	s.childEnds()
}

// childEnds closes what the child has a copy of by now.
func (p *program) childEnds() {
	for _, f := range p.ends {
		_ = f.Close()
	}
	p.ends = nil
}

// newSpawn writes the program of the child.
func newSpawn(c *Command) (*spawn, error) {
	s := &spawn{Command: c}
	s.told = map[int]func(int) error{}
	if c.Cgroup != nil {
		s.args.flags |= unix.CLONE_INTO_CGROUP
		s.args.cgroup = uint64(c.Cgroup.Fd())
	}
	gateRead, err := s.pipes()
	if err != nil {
		s.close()
		return nil, err
	}
	early := s.early()
	s.args.flags |= uint64(early)
	s.wait(gateRead)
	s.joins(gateRead, c.New&^early)
	if err := s.exec(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// early are the namespaces that the clone itself makes: user and pid, unless what is joined has to be joined first.
func (s *spawn) early() uintptr {
	joins := len(s.Joins) > 0 || s.JoinPid != nil
	user := s.New&unix.CLONE_NEWUSER != 0 || s.joined()&unix.CLONE_NEWUSER != 0
	if joins && user || s.twice() {
		return 0
	}
	return s.New & (unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
}

// joined are the flags of the namespaces to be joined.
func (s *spawn) joined() uintptr {
	flags := s.JoinFlags
	for _, j := range s.Joins {
		flags |= uintptr(joinFlag(j.Type))
	}
	return flags
}

// twice tells whether the child has to clone again whatever else: pid and time namespaces that a process joins, and
// a time namespace that it makes, are for its children (pid_namespaces(7), time_namespaces(7)).
func (s *spawn) twice() bool {
	return s.joined()&(unix.CLONE_NEWPID|unix.CLONE_NEWTIME) != 0 || s.New&unix.CLONE_NEWTIME != 0
}

// pipes makes the gate and the status pipe. The child's ends are above the descriptors that the process will have.
func (s *spawn) pipes() (gateRead uintptr, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	s.gate = write
	gateRead, err = s.lift(read)
	if err != nil {
		return 0, err
	}
	s.ends = append(s.ends, read)
	read, write, err = os.Pipe()
	if err != nil {
		return 0, err
	}
	s.status = read
	s.ends = append(s.ends, write)
	s.statusFD, err = s.lift(write)
	return gateRead, err
}

// lift returns a descriptor of f that is not among those that the process will have.
func (s *spawn) lift(f *os.File) (uintptr, error) {
	if fd := f.Fd(); fd >= uintptr(len(s.Files)) {
		return fd, nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, len(s.Files))
	if err != nil {
		return 0, fmt.Errorf("duplicate descriptor: %w", err)
	}
	s.ends = append(s.ends, os.NewFile(uintptr(fd), f.Name()))
	return uintptr(fd), nil
}

// wait appends a gate.
func (s *spawn) wait(gateRead uintptr) {
	b := new(byte)
	s.keep = append(s.keep, b)
	s.call("wait for the parent", unix.SYS_READ, gateRead, uintptr(unsafe.Pointer(b)), 1).kind = gate
}

// tellAndWait appends a report to the parent, which answers it by f and opens the gate.
func (s *spawn) tellAndWait(gateRead uintptr, f func(pid int) error) {
	s.call("tell the parent", 0).kind = tell
	s.told[len(s.ops)-1] = f
	s.wait(gateRead)
}

// joins appends what enters and makes namespaces. rest are those that the clone has not made.
func (s *spawn) joins(gateRead, rest uintptr) {
	if s.JoinPid != nil && s.JoinFlags != 0 {
		s.call("join the container's namespaces", unix.SYS_SETNS, s.JoinPid.Fd(), s.JoinFlags)
	}
	for _, j := range s.ordered() {
		s.call("join "+string(j.Type)+" namespace "+j.File.Name(), unix.SYS_SETNS, j.File.Fd(), uintptr(joinFlag(j.Type)))
	}
	if rest&unix.CLONE_NEWUSER != 0 {
		s.call("unshare user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
		s.tellAndWait(gateRead, s.Mapped)
	}
	if rest&unix.CLONE_NEWTIME != 0 {
		// Before it becomes another user, which would take its files in /proc from the parent.
		s.call("unshare time namespace", unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		if len(s.TimeOffsets) > 0 {
			s.tellAndWait(gateRead, s.writeTimeOffsets)
		}
	}
	if s.UserRoot {
		// Refused where setgroups is denied, as it is without privilege; and 0 may have no mapping.
		s.call("drop groups", unix.SYS_SETGROUPS, 0, 0).tolerated = [2]syscall.Errno{unix.EPERM, unix.EINVAL}
		s.call("become group 0", unix.SYS_SETRESGID, 0, 0, 0).tolerated = [2]syscall.Errno{unix.EINVAL}
		s.call("become user 0", unix.SYS_SETRESUID, 0, 0, 0).tolerated = [2]syscall.Errno{unix.EINVAL}
	}
	if flags := rest & all; flags != 0 {
		s.call("unshare "+flagNames(flags), unix.SYS_UNSHARE, flags)
	}
	if s.Outside != nil {
		s.call("leave the container's memory cgroup", unix.SYS_WRITE, s.Outside.Fd(), s.bytes("0"), 1)
	}
	if s.twice() || rest&unix.CLONE_NEWPID != 0 {
		s.call("clone again", unix.SYS_CLONE, unix.CLONE_PARENT|uintptr(unix.SIGCHLD)).kind = fork
	}
}

// ordered are the namespaces to be joined, the user namespace last or first.
func (s *spawn) ordered() []Join {
	var user, others []Join
	for _, j := range s.Joins {
		if j.Type == specs.UserNamespace {
			user = append(user, j)
		} else {
			others = append(others, j)
		}
	}
	if s.Privileged {
		return append(others, user...)
	}
	return append(user, others...)
}

// exec appends what makes the process what it is to be, and the execve.
func (s *spawn) exec() error {
	exe, err := s.lift(s.Exe)
	if err != nil {
		return err
	}
	s.call("become a session leader", unix.SYS_SETSID)
	for i, f := range s.Files {
		fd := f.Fd()
		if fd == uintptr(i) {
			s.call("keep descriptor "+strconv.Itoa(i), unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
			continue
		}
		if fd, err = s.lift(f); err != nil {
			return err
		}
		s.call("place descriptor "+strconv.Itoa(i), unix.SYS_DUP3, fd, uintptr(i), 0)
	}
	s.call("close descriptors", unix.SYS_CLOSE_RANGE, uintptr(len(s.Files)), uintptr(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	// With no descriptor to be had, init's Go runtime does not read /proc/self/cgroup and mountinfo at its start.
	limit := &unix.Rlimit{}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, limit); err != nil {
		return err
	}
	limit.Cur = 0
	mask := new(uint64)
	s.keep = append(s.keep, limit, mask)
	s.call("set RLIMIT_NOFILE", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(limit)), 0)
	s.call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(mask)), 0, unsafe.Sizeof(*mask))
	s.call("execute init", unix.SYS_EXECVEAT, exe, s.bytes(""), s.pointers(s.Args), s.pointers(s.Env), unix.AT_EMPTY_PATH)
	return nil
}

func (s *spawn) writeTimeOffsets(pid int) error {
	if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/timens_offsets", s.TimeOffsets, 0); err != nil {
		return fmt.Errorf("set time offsets: %w", err)
	}
	return nil
}

// joinFlag is the CLONE_NEW* flag for setns.
func joinFlag(t specs.LinuxNamespaceType) int {
	switch t {
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET
	case specs.MountNamespace:
		return unix.CLONE_NEWNS
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME
	}
	return 0
}
