package seccomp

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// compiler is a profile, checked and with its names resolved.
type compiler struct {
	archs      []archID // the native one first
	defaultRet uint32
	tooNew     uint32 // for numbers beyond those that the profile names
	flags      uint32
	notify     bool
	rules      []rule
	actions    map[specs.LinuxSeccompAction]uint32
	operators  map[specs.LinuxSeccompOperator]bool
	// The default action does not tell calls that are newer than the profile from others.
	lenient bool
}

// rule is an entry of the profile with one set of conditions.
type rule struct {
	names []int // places in the tables
	ret   uint32
	conds []specs.LinuxSeccompArg
}

func newCompiler(p *specs.LinuxSeccomp, native string) (*compiler, error) {
	c := &compiler{tooNew: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS), actions: actions(), operators: operators()}
	own, ok := natives()[native]
	if !ok {
		return nil, fault.New(fault.Unsupported, "linux.seccomp", fmt.Errorf("no seccomp filters on %s", native))
	}
	c.archs = []archID{own}
	for i, name := range p.Architectures {
		a, ok := findArch(name)
		if !ok {
			return nil, wrong(fmt.Sprintf("architectures[%d]", i), "string %s is not a valid arch for seccomp", name)
		}
		// The kernel never reports an architecture of the other byte order.
		if !slices.Contains(c.archs, a) && auditArch[a]&littleEndian == auditArch[own]&littleEndian {
			c.archs = append(c.archs, a)
		}
	}
	var err error
	if c.defaultRet, err = c.ret("defaultAction", p.DefaultAction, p.DefaultErrnoRet); err != nil {
		return nil, err
	}
	switch c.defaultRet & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE, unix.SECCOMP_RET_USER_NOTIF:
		c.lenient = true
	}
	if err := c.setFlags(p.Flags); err != nil {
		return nil, err
	}
	for i := range p.Syscalls {
		if err := c.add(fmt.Sprintf("syscalls[%d]", i), &p.Syscalls[i]); err != nil {
			return nil, err
		}
	}
	return c, c.checkNotify(p)
}

func wrong(field, format string, a ...any) error {
	return fault.New(fault.Seccomp, "linux.seccomp."+field, fmt.Errorf(format, a...))
}

// ret is the return value of a filter for an action.
func (c *compiler) ret(field string, action specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	ret, ok := c.actions[action]
	if !ok {
		return 0, wrong(field, "string %s is not a valid action for seccomp", action)
	}
	takesData := ret == unix.SECCOMP_RET_ERRNO || ret == unix.SECCOMP_RET_TRACE
	switch {
	case errno == nil && takesData:
		ret |= uint32(unix.EPERM)
	case errno == nil:
	case !takesData:
		return 0, wrong(field, "%s takes no errnoRet", action)
	case *errno > unix.SECCOMP_RET_DATA:
		return 0, wrong(field, "errnoRet %d is more than %d", *errno, unix.SECCOMP_RET_DATA)
	default:
		ret |= uint32(*errno)
	}
	if ret == unix.SECCOMP_RET_USER_NOTIF {
		c.notify = true
	}
	return ret, nil
}

func (c *compiler) setFlags(list []specs.LinuxSeccompFlag) error {
	for i, name := range list {
		known := false
		for _, f := range flags {
			if f.name == name {
				c.flags |= f.flag
				known = true
			}
		}
		if !known {
			return wrong(fmt.Sprintf("flags[%d]", i), "seccomp flag %q is not known: allowed are %v", name, Flags())
		}
	}
	return nil
}

// checkNotify checks what goes with SCMP_ACT_NOTIFY.
func (c *compiler) checkNotify(p *specs.LinuxSeccomp) error {
	switch {
	case c.notify && c.defaultRet == unix.SECCOMP_RET_USER_NOTIF:
		return wrong("defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action")
	case c.notify && p.ListenerPath == "":
		return wrong("listenerPath", "SCMP_ACT_NOTIFY needs a listenerPath, where an agent listens")
	case !c.notify && p.ListenerPath != "":
		return wrong("listenerPath", "listenerPath is set, but no rule has SCMP_ACT_NOTIFY")
	case !c.notify && p.ListenerMetadata != "":
		return wrong("listenerMetadata", "listenerMetadata is set, but listenerPath is not")
	case !c.notify && c.flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0:
		return wrong("flags", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for profiles with SCMP_ACT_NOTIFY")
	}
	return nil
}

// add takes an entry of the profile.
func (c *compiler) add(field string, s *specs.LinuxSyscall) error {
	if len(s.Names) == 0 {
		return wrong(field+".names", "%s: no name", field)
	}
	ret, err := c.ret(field+".action", s.Action, s.ErrnoRet)
	if err != nil {
		return err
	}
	r := rule{ret: ret, names: make([]int, 0, len(s.Names))}
	for i, n := range s.Names {
		if n == "" {
			return wrong(fmt.Sprintf("%s.names[%d]", field, i), "%s: an empty name", field)
		}
		// write is how the parent is told of the listener by other runtimes; the texts are theirs.
		if n == "write" && ret == unix.SECCOMP_RET_USER_NOTIF {
			return wrong(fmt.Sprintf("%s.names[%d]", field, i), "SCMP_ACT_NOTIFY cannot be used for the write syscall")
		}
		// A name that nobody knows is of a kernel newer than this program, or of none.
		if at := find(n); at >= 0 {
			r.names = append(r.names, at)
		}
	}
	var seen [maxArgs]int
	for i := range s.Args {
		if err := c.checkArg(fmt.Sprintf("%s.args[%d]", field, i), &s.Args[i]); err != nil {
			return err
		}
		seen[s.Args[i].Index]++
	}
	if slices.Max(seen[:]) <= 1 {
		r.conds = s.Args
		c.rules = append(c.rules, r)
		return nil
	}
	for i := range s.Args {
		r.conds = s.Args[i : i+1]
		c.rules = append(c.rules, r)
	}
	return nil
}

// maxArgs is how many arguments a system call has.
const maxArgs = 6

func (c *compiler) checkArg(field string, a *specs.LinuxSeccompArg) error {
	if a.Index >= maxArgs {
		return wrong(field+".index", "%s.index: %d is not below %d", field, a.Index, maxArgs)
	}
	if !c.operators[a.Op] {
		return wrong(field+".op", "string %s is not a valid operator for seccomp", a.Op)
	}
	return nil
}

// call is what happens to one number of an architecture.
type call struct {
	number uint32
	rule   int // its place among the rules
	// first is a condition on the first argument that a multiplexer adds; nil without.
	first *specs.LinuxSeccompArg
}

// calls lists, sorted, what the rules say about the numbers of an architecture.
func (c *compiler) calls(a archID) []call {
	count := 0
	for i := range c.rules {
		count += len(c.rules[i].names)
	}
	list := make([]call, 0, count)
	for i := range c.rules {
		r := &c.rules[i]
		for _, at := range r.names {
			n, ok := number(a, at)
			if ok {
				list = append(list, call{number: n, rule: i})
			}
			if !multiplexed(a) || len(r.conds) > 0 {
				continue
			}
			through, value := multiplexer(names[nameStarts[at]:nameStarts[at+1]])
			if through == "" {
				continue
			}
			if n, ok := number(a, find(through)); ok {
				list = append(list, call{number: n, rule: i, first: &specs.LinuxSeccompArg{Index: 0, Value: value, Op: specs.OpEqualTo}})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b call) int {
		if a.number != b.number {
			return int(int64(a.number) - int64(b.number))
		}
		return a.rule - b.rule
	})
	return list
}
