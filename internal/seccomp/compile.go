package seccomp

import (
	"cmp"
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
	places     int     // how many names the rules have
	matches    []match // what leaf sorts, kept for the next one
}

// rule is an entry of the profile with one set of conditions.
type rule struct {
	names []uint16 // places in the tables
	ret   uint32
	conds []specs.LinuxSeccompArg
}

func newCompiler(p *specs.LinuxSeccomp, goarch string) (*compiler, error) {
	own, ok := native(goarch)
	if !ok {
		return nil, fault.New(fault.Unsupported, "linux.seccomp", fmt.Errorf("no seccomp filters on %s", goarch))
	}
	c := &compiler{rules: make([]rule, 0, len(p.Syscalls))}
	if err := c.setArchs(own, p.Architectures); err != nil {
		return nil, err
	}
	var err error
	if c.defaultRet, err = c.ret(p.DefaultAction, p.DefaultErrnoRet); err != nil {
		return nil, wrong("defaultAction", err)
	}
	c.tooNew = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	switch c.defaultRet & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE:
		c.tooNew = c.defaultRet
	}
	if err := c.setFlags(p.Flags); err != nil {
		return nil, err
	}
	count := 0
	for i := range p.Syscalls {
		count += len(p.Syscalls[i].Names)
	}
	places := make([]uint16, 0, count)
	for i := range p.Syscalls {
		if places, err = c.add(places, &p.Syscalls[i], i); err != nil {
			return nil, err
		}
	}
	return c, c.checkNotify(p)
}

// wrong is an error of the profile. Fields are named only when there is one: a profile has hundreds.
func wrong(field string, err error) error {
	return fault.New(fault.Seccomp, "linux.seccomp."+field, err)
}

func (c *compiler) setArchs(own archID, list []specs.Arch) error {
	c.archs = append(make([]archID, 0, 1+len(list)), own)
	for i, name := range list {
		a, ok := findArch(name)
		if !ok {
			return wrong(fmt.Sprintf("architectures[%d]", i), fmt.Errorf("string %s is not a valid arch for seccomp", name))
		}
		if family(a) == family(own) && !slices.Contains(c.archs, a) {
			c.archs = append(c.archs, a)
		}
	}
	return nil
}

// ret is the return value of a filter for an action.
func (c *compiler) ret(name specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	ret, ok := action(name)
	if !ok {
		return 0, fmt.Errorf("string %s is not a valid action for seccomp", name)
	}
	takesData := ret == unix.SECCOMP_RET_ERRNO || ret == unix.SECCOMP_RET_TRACE
	switch {
	case errno == nil && takesData:
		ret |= uint32(unix.EPERM)
	case errno == nil:
	case !takesData:
		return 0, fmt.Errorf("%s takes no errnoRet", name)
	case *errno > unix.SECCOMP_RET_DATA:
		return 0, fmt.Errorf("errnoRet %d is more than %d", *errno, unix.SECCOMP_RET_DATA)
	default:
		ret |= uint32(*errno)
	}
	if ret == unix.SECCOMP_RET_USER_NOTIF {
		c.notify = true
	}
	return ret, nil
}

// setFlags takes the flags of a profile. One that speaks of none lets the CPU bypass stores speculatively, as kernels
// from 5.16 do for every filter (2f46993d83ff): before, a filter slowed its program down by that alone. runc does the
// same. An empty list is none.
func (c *compiler) setFlags(list []specs.LinuxSeccompFlag) error {
	if list == nil {
		c.flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for i, name := range list {
		value := flag(name)
		if value == 0 {
			return wrong(fmt.Sprintf("flags[%d]", i), fmt.Errorf("seccomp flag %q is not known: allowed are %v", name, Flags()))
		}
		c.flags |= value
	}
	return nil
}

// checkNotify checks what goes with SCMP_ACT_NOTIFY. Without it listenerPath is ignored (config-linux.md, "Seccomp").
func (c *compiler) checkNotify(p *specs.LinuxSeccomp) error {
	switch {
	case c.defaultRet == unix.SECCOMP_RET_USER_NOTIF:
		return wrong("defaultAction", fmt.Errorf("SCMP_ACT_NOTIFY cannot be used as default action"))
	case c.notify && p.ListenerPath == "":
		return wrong("listenerPath", fmt.Errorf("SCMP_ACT_NOTIFY needs a listenerPath, where an agent listens"))
	case p.ListenerMetadata != "" && p.ListenerPath == "":
		return wrong("listenerMetadata", fmt.Errorf("listenerMetadata is set, but listenerPath is not"))
	case !c.notify && c.flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0:
		return wrong("flags", fmt.Errorf("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for profiles with SCMP_ACT_NOTIFY"))
	}
	return nil
}

// add takes an entry of the profile. It appends the places of its names to those of the others, and returns them.
func (c *compiler) add(places []uint16, s *specs.LinuxSyscall, entry int) ([]uint16, error) {
	fail := func(format string, at int, err error) ([]uint16, error) {
		return nil, wrong(fmt.Sprintf("syscalls[%d].", entry)+fmt.Sprintf(format, at), err)
	}
	if len(s.Names) == 0 {
		return nil, wrong(fmt.Sprintf("syscalls[%d].names", entry), fmt.Errorf("syscalls[%d]: no name", entry))
	}
	ret, err := c.ret(s.Action, s.ErrnoRet)
	if err != nil {
		return nil, wrong(fmt.Sprintf("syscalls[%d].action", entry), err)
	}
	first := len(places)
	for i, n := range s.Names {
		if n == "" {
			return fail("names[%d]", i, fmt.Errorf("syscalls[%d]: an empty name", entry))
		}
		// write is how the parent is told of the listener by other runtimes; the texts are theirs.
		if n == "write" && ret == unix.SECCOMP_RET_USER_NOTIF {
			return fail("names[%d]", i, fmt.Errorf("SCMP_ACT_NOTIFY cannot be used for the write syscall"))
		}
		// A name that nobody knows is of a kernel newer than this program, or of none.
		if at := find(n); at >= 0 {
			places = append(places, uint16(at))
		}
	}
	var seen [maxArgs]bool
	twice := false
	for i := range s.Args {
		a := &s.Args[i]
		switch {
		case a.Index >= maxArgs:
			return fail("args[%d].index", i, fmt.Errorf("syscalls[%d].args[%d].index: %d is not below %d", entry, i, a.Index, maxArgs))
		case !slices.Contains(operators[:], a.Op):
			return fail("args[%d].op", i, fmt.Errorf("string %s is not a valid operator for seccomp", a.Op))
		}
		twice = twice || seen[a.Index]
		seen[a.Index] = true
	}
	r := rule{names: places[first:], ret: ret, conds: s.Args}
	if !twice {
		c.addRule(r)
		return places, nil
	}
	for i := range s.Args {
		r.conds = s.Args[i : i+1]
		c.addRule(r)
	}
	return places, nil
}

func (c *compiler) addRule(r rule) {
	c.rules = append(c.rules, r)
	c.places += len(r.names)
}

// maxArgs is how many arguments a system call has.
const maxArgs = 6

// call is what a rule says about one number of an architecture.
type call struct {
	number uint32
	rule   int32 // its place among the rules
	// What the first argument of a multiplexer has to be, and the bits of it that count: none for other calls.
	value, mask uint32
}

// calls lists, sorted, what the rules say about the numbers of an architecture.
func (c *compiler) calls(a archID) []call {
	multiplexed := multiplexed(a)
	list := make([]call, 0, c.places+c.places/8)
	for i := range c.rules {
		r := &c.rules[i]
		for _, at := range r.names {
			if n, ok := number(a, int(at)); ok {
				list = append(list, call{number: n, rule: int32(i)})
			}
			// The arguments proper are in memory, where a filter cannot see them.
			if !multiplexed || len(r.conds) > 0 {
				continue
			}
			through, mask, value := multiplexer(nameAt(int(at)))
			if mask == 0 {
				continue
			}
			if n, ok := number(a, find(through)); ok {
				list = append(list, call{number: n, rule: int32(i), value: value, mask: mask})
			}
		}
	}
	slices.SortFunc(list, func(a, b call) int {
		if a.number != b.number {
			return cmp.Compare(a.number, b.number)
		}
		if a.rule != b.rule {
			return cmp.Compare(a.rule, b.rule)
		}
		return cmp.Compare(a.value, b.value)
	})
	return list
}
