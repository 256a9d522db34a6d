package spawn

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// program is what the child runs, and what has to live until it has.
type program struct {
	ops    []op
	labels []label // of each op, for errors
	told   map[int]func(pid int) error
	keep   []any      // what ops point to: the collector does not see it there
	ends   []int      // descriptors that only the child needs
	about  fault.Code // of the ops that are appended now

	socket int     // the parent's end; the child's is closed by execve
	theirs uintptr // the child's end
	forks  bool    // it clones again, and has not yet
}

// label says what an op is about.
type label struct {
	name   string
	number int // of the descriptor, counted from 1; 0 without
	code   fault.Code
}

func (l *label) String() string {
	if l.number > 0 {
		return l.name + " " + strconv.Itoa(l.number-1)
	}
	return l.name
}

// number says which descriptor the last op is about.
func (p *program) number(fd int) { p.labels[len(p.labels)-1].number = fd + 1 }

// call appends a system call of the child.
func (p *program) call(name string, nr uintptr, a ...uintptr) *op {
	o := op{nr: nr}
	copy(o.a[:], a)
	p.ops = append(p.ops, o)
	p.labels = append(p.labels, label{name: name, code: p.about})
	return &p.ops[len(p.ops)-1]
}

func (p *program) bytes(s string) (uintptr, error) {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		return 0, fmt.Errorf("argument %q: %w", s, err)
	}
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(b)), nil
}

func (p *program) pointers(list []string) (uintptr, error) {
	v := make([]uintptr, len(list)+1)
	for i, s := range list {
		var err error
		if v[i], err = p.bytes(s); err != nil {
			return 0, err
		}
	}
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(&v[0])), nil
}

// close closes what the parent needs only while the process is started.
func (p *program) close() {
	if p.socket >= 0 {
		_ = unix.Close(p.socket)
		p.socket = -1
	}
	p.closeEnds()
}

// closeEnds closes what the child has a copy of by now.
func (p *program) closeEnds() {
	for _, fd := range p.ends {
		_ = unix.Close(fd)
	}
	p.ends = nil
}

// prepare begins the program of a child. The result is on the heap, whoever calls: its address is given to the
// kernel, and a stack may move.
func (c *Command) prepare() (*spawn, error) {
	s := &spawn{Command: c}
	s.about = fault.Namespace
	s.keep = append(s.keep, s)
	s.told = map[int]func(int) error{}
	s.ops = make([]op, 0, 24+len(c.Files))
	s.labels = make([]label, 0, cap(s.ops))
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	s.socket = fds[0]
	s.ends = append(s.ends, fds[1])
	if s.theirs, err = s.lift(uintptr(fds[1])); err != nil {
		s.close()
		return nil, err
	}
	// With a copy of the parent's end the child would not see its parent's end.
	s.call("close the parent's end", unix.SYS_CLOSE, uintptr(s.socket))
	return s, nil
}

// lift returns a descriptor that is in no place which the child fills: those of Files, and the next, for Exe.
func (s *spawn) lift(fd uintptr) (uintptr, error) {
	if fd > uintptr(len(s.Files)) {
		return fd, nil
	}
	high, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, len(s.Files)+1)
	if err != nil {
		return 0, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	s.ends = append(s.ends, high)
	return uintptr(high), nil
}

// wait appends a gate.
func (s *spawn) wait() {
	b := new(byte)
	s.keep = append(s.keep, b)
	s.call("wait for the parent", unix.SYS_READ, s.theirs, uintptr(unsafe.Pointer(b)), 1).kind = gate
}

// tellAndWait appends a report to the parent, which answers it by f and opens the gate.
func (s *spawn) tellAndWait(f func(pid int) error) {
	s.call("tell the parent", 0).kind = tell
	s.told[len(s.ops)-1] = f
	s.wait()
}

// early are the namespaces that the clone itself makes: user and pid, unless what is joined has to be joined first.
func (s *spawn) early() uintptr {
	joins := len(s.Joins) > 0 || s.JoinPid != nil
	user := (s.New|s.joined())&unix.CLONE_NEWUSER != 0
	if joins && user || s.twice() {
		return 0
	}
	return s.New & (unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
}

// meanwhile are the namespaces that the child makes while it is placed: those that have nothing to do with where it is, if nothing
// has to come before them. In a cgroup v2 it is from its start on, which then pays for them.
func (s *spawn) meanwhile() uintptr {
	if s.Placed == nil || s.Cgroup != nil || s.joined() != 0 || s.UserRoot || s.New&(unix.CLONE_NEWUSER|unix.CLONE_NEWTIME) != 0 {
		return 0
	}
	return s.New & (unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET)
}

// joined are the flags of the namespaces to be joined.
func (s *spawn) joined() uintptr {
	flags := s.JoinFlags
	for _, j := range s.Joins {
		flags |= FlagOf(j.Type)
	}
	return flags
}

// memory is CLONE_VM if a child may share its parent's: a time namespace is entered by who has a memory of its own.
func (s *spawn) memory() uintptr {
	if raced || s.OwnMemory || (s.joined()|s.New)&unix.CLONE_NEWTIME != 0 {
		return 0
	}
	return unix.CLONE_VM
}

// twice tells whether the child has to clone again whatever else: a pid namespace that a process joins, and a time
// namespace that it makes, are for its children (pid_namespaces(7), time_namespaces(7)).
func (s *spawn) twice() bool {
	return s.joined()&unix.CLONE_NEWPID != 0 || s.New&unix.CLONE_NEWTIME != 0
}

// namespaces appends what enters and makes namespaces. rest are those that the clone has not made.
func (s *spawn) namespaces(rest uintptr) {
	if s.joined() != 0 && s.New&unix.CLONE_NEWUSER == 0 && (s.Privileged || len(s.TimeOffsets) == 0) {
		// Who is root of what is joined must not trace the child, which is of this program's memory (CVE-2016-9962).
		// Where the parent has files of its /proc to write first, nobody there has the power to.
		s.call("forbid tracing", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0)
	}
	if s.JoinPid != nil && s.JoinFlags != 0 {
		s.call("setns "+flagNames(s.JoinFlags)+" of the container", unix.SYS_SETNS, s.JoinPid.Fd(), s.JoinFlags)
	}
	for _, j := range s.ordered() {
		s.call("setns "+string(j.Type)+" namespace "+j.File.Name(), unix.SYS_SETNS, j.File.Fd(), FlagOf(j.Type))
	}
	if rest&unix.CLONE_NEWUSER != 0 {
		s.call("unshare user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER)
		s.tellAndWait(s.mapped)
	}
	if rest&unix.CLONE_NEWTIME != 0 {
		// Before it becomes another user, which would take its files in /proc from the parent. clone3 could make the
		// namespace, too, but its offsets would be fixed from the first process on.
		s.call("unshare time namespace", unix.SYS_UNSHARE, unix.CLONE_NEWTIME)
		if len(s.TimeOffsets) > 0 {
			s.tellAndWait(s.writeTimeOffsets)
		}
	}
	if s.UserRoot {
		// Refused where setgroups is denied, as it is without privilege; and 0 may have no mapping.
		s.call("drop groups", unix.SYS_SETGROUPS, 0, 0).tolerated = [2]syscall.Errno{unix.EPERM, unix.EINVAL}
		s.call("become group 0", unix.SYS_SETRESGID, 0, 0, 0).tolerated[0] = unix.EINVAL
		s.call("become user 0", unix.SYS_SETRESUID, 0, 0, 0).tolerated[0] = unix.EINVAL
	}
	if flags := rest & later; flags != 0 {
		s.call("unshare "+flagNames(flags), unix.SYS_UNSHARE, flags)
	}
	if s.Outside != nil {
		s.about = fault.Cgroup
		self := []byte{'0'}
		s.keep = append(s.keep, self)
		s.call("leave the container's memory cgroup", unix.SYS_WRITE, s.Outside.Fd(), uintptr(unsafe.Pointer(&self[0])), 1)
	}
}

// again appends the second clone, where there is one: its child is in the namespaces, for all there to see.
func (s *spawn) again(rest uintptr) {
	if !s.twice() && rest&unix.CLONE_NEWPID == 0 {
		return
	}
	s.about = fault.Namespace
	s.second = &child{}
	o := s.call("clone again", 0)
	o.kind, o.next = fork, s.second
	s.second.index = uintptr(len(s.ops))
	s.forks = true
	// The parent has to know of the second child before it may fail, to wait for its end.
	s.wait()
}

// ordered are the namespaces to be joined, the user namespace last or first.
func (s *spawn) ordered() []Join {
	var user, others []Join
	for _, j := range s.Joins {
		switch {
		case j.Type != specs.UserNamespace:
			others = append(others, j)
		case !own(j.File):
			user = append(user, j)
		}
	}
	if s.Privileged {
		return append(others, user...)
	}
	return append(user, others...)
}

// own tells whether f is the caller's user namespace, which setns refuses to join.
func own(f *os.File) bool {
	var it, ours unix.Stat_t
	return unix.Fstat(int(f.Fd()), &it) == nil && unix.Stat("/proc/self/ns/user", &ours) == nil &&
		it.Dev == ours.Dev && it.Ino == ours.Ino
}

// files appends what gives the process its descriptors, and closes all others but Exe and the socket. What is seen in
// a container holds nothing of the host.
func (s *spawn) files() error {
	s.about = fault.Process
	for i, f := range s.Files {
		fd, err := s.source(f)
		if err != nil {
			return err
		}
		if err := s.place(fd, i, 0); err != nil {
			return err
		}
	}
	exe := len(s.Files)
	if err := s.place(s.Exe.Fd(), exe, unix.O_CLOEXEC); err != nil {
		return err
	}
	if first, last := uintptr(exe+1), s.theirs-1; first <= last {
		s.call("close descriptors", unix.SYS_CLOSE_RANGE, first, last, 0)
	}
	s.call("close descriptors", unix.SYS_CLOSE_RANGE, s.theirs+1, uintptr(^uint32(0)), 0)
	return nil
}

// place appends what makes fd the descriptor of that number.
func (s *spawn) place(fd uintptr, number, flags int) error {
	if fd == uintptr(number) {
		if flags == 0 {
			s.call("keep descriptor", unix.SYS_FCNTL, fd, unix.F_SETFD, 0)
			s.number(number)
		}
		return nil
	}
	// Its number may be another's place.
	fd, err := s.lift(fd)
	if err != nil {
		return err
	}
	s.call("make descriptor", unix.SYS_DUP3, fd, uintptr(number), uintptr(flags))
	s.number(number)
	return nil
}

// exec appends what makes the process what it is to be, and the execve.
func (s *spawn) exec() error {
	s.about = fault.Process
	s.call("become a session leader", unix.SYS_SETSID)
	mask := new(uint64)
	s.keep = append(s.keep, mask)
	empty, err := s.bytes("")
	if err != nil {
		return err
	}
	args, err := s.pointers(s.Args)
	if err != nil {
		return err
	}
	env, err := s.pointers(s.Env)
	if err != nil {
		return err
	}
	if list := s.Catcher.Ignored(); len(list) > 0 {
		byDefault := new([4]uint64) // struct sigaction
		s.keep = append(s.keep, byDefault)
		for _, sig := range list {
			s.call("reset signal", unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(byDefault)), 0, unsafe.Sizeof(*mask))
		}
	}
	s.call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(mask)), 0, unsafe.Sizeof(*mask))
	s.call("execute "+s.Exe.Name(), unix.SYS_EXECVEAT, uintptr(len(s.Files)), empty, args, env, unix.AT_EMPTY_PATH)
	return nil
}

func (s *spawn) source(f *os.File) (uintptr, error) {
	if f != nil {
		return f.Fd(), nil
	}
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open /dev/null: %w", err)
	}
	s.ends = append(s.ends, fd)
	return uintptr(fd), nil
}

func (s *spawn) mapped(pid int) error {
	if s.Mapped == nil {
		return nil
	}
	return s.Mapped(pid)
}

func (s *spawn) writeTimeOffsets(pid int) error {
	err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/timens_offsets", s.TimeOffsets, 0)
	if err != nil {
		return fault.New(fault.Namespace, "linux.timeOffsets", fmt.Errorf("set time offsets: %w", cause(err)))
	}
	return nil
}
