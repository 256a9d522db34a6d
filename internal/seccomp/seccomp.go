// Package seccomp compiles the profile of config.json (runtime-spec, config-linux.md, "Seccomp") to a filter, in Go.
//
// A filter first compares the architecture of the call, the machine's own first. For each architecture the numbers
// from 0 to 2³²-1 are cut into ranges that are treated alike, and a balanced tree of comparisons leads to the range:
// some six comparisons where a chain has hundreds. At a leaf stands the action, or the rules that look at arguments,
// one after the other, those with a value each as a tree, then what applies when none matches.
//
// What applies to a call, in this order:
//   - the rule without arguments that names it, if its action is not the default one: the first of several;
//   - the first rule whose conditions on arguments all hold. Conditions of a rule on one and the same argument are
//     alternatives: each makes a rule of its own, together with none of the others;
//   - ENOSYS for a number beyond all that the profile names for the architecture, where the default action is to
//     fail or to kill: the call is newer than the profile, and programs try the older one then. The blocks that lie
//     apart (the private calls of ARM, x32's from 512 on) do not count as newer, nor does anything for an architecture
//     that the profile names no call of;
//   - the default action.
//
// Where a kernel has socketcall(2) and ipc(2), a rule without arguments for one of the calls that can be made through
// them covers that way, too. A rule with arguments cannot: they are in memory, where no filter sees them. A profile
// that allows all but such calls has to refuse socketcall and ipc by name.
//
// Arguments are compared as the 64 bits that they are. For the ABIs whose arguments have 32, the low halves of argument
// and value are, which is all that the call will see: whatever a 64-bit process puts above them does not get it past a
// rule. That goes for x32 and MIPS n32, too.
//
// An architecture that the profile does not list (the machine's own is always listed) kills the process, and so does
// an x32 call under a profile without SCMP_ARCH_X32; but for -1, which tracers make of a call that is to be skipped.
// Architectures of other machines are taken and left out: their calls never come.
package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

//go:generate go run ./gen

// Filter is a compiled profile: plain data, for package wire.
type Filter struct {
	Program          []byte // struct sock_filter, one after the other, in the host's byte order
	Flags            uint32 // SECCOMP_FILTER_FLAG_*
	Notify           bool   // it sends calls to an agent
	ListenerPath     string
	ListenerMetadata string
}

// instruction is struct sock_filter.
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Len is the number of the filter's instructions.
func (f *Filter) Len() int { return len(f.Program) / 8 }

// maxInstructions is BPF_MAXINSNS of the kernel.
const maxInstructions = 4096

// ErrTooLong is a profile whose filter the kernel would not take.
var ErrTooLong = errors.New("profile is too long")

// Compile compiles a profile for a machine of the architecture native (a GOARCH). It does no I/O.
func Compile(p *specs.LinuxSeccomp, native string) (*Filter, error) {
	c, err := newCompiler(p, native)
	if err != nil {
		return nil, err
	}
	program := c.program()
	if len(program) > maxInstructions {
		return nil, fault.New(fault.Seccomp, "linux.seccomp", fmt.Errorf("%w: %d instructions, and the kernel takes %d", ErrTooLong, len(program), maxInstructions))
	}
	f := &Filter{Flags: c.flags, Notify: c.notify, ListenerPath: p.ListenerPath, ListenerMetadata: p.ListenerMetadata}
	f.Program = make([]byte, 0, len(program)*8)
	for _, i := range program {
		f.Program = binary.NativeEndian.AppendUint16(f.Program, i.code)
		f.Program = append(f.Program, i.jt, i.jf)
		f.Program = binary.NativeEndian.AppendUint32(f.Program, i.k)
	}
	return f, nil
}

// LoadFlags are the flags that Load gives to seccomp(2).
//
// SECCOMP_FILTER_FLAG_TSYNC is left out: whoever loads the filter executes a program next, which leaves this thread
// alone, and until then the other threads, those of the Go runtime, must be able to go on.
func (f *Filter) LoadFlags() uint32 {
	flags := f.Flags &^ unix.SECCOMP_FILTER_FLAG_TSYNC
	if f.Notify {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return flags
}

// Load loads the filter on the calling thread, with one system call (seccomp(2)). It returns the descriptor of the
// listener for a filter that notifies, else -1.
func (f *Filter) Load() (listener int, err error) {
	flags := f.LoadFlags()
	prog := unix.SockFprog{Len: uint16(f.Len()), Filter: (*unix.SockFilter)(unsafe.Pointer(&f.Program[0]))}
	n, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags), uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, errno
	}
	if f.Notify {
		return int(n), nil
	}
	return -1, nil
}

// actions are the actions of a profile, sorted. The tables are laid out by the compiler of Go: nothing is made at the
// start of the program.
var actions = [...]struct {
	name specs.LinuxSeccompAction
	ret  uint32
}{
	{specs.ActAllow, unix.SECCOMP_RET_ALLOW},
	{specs.ActErrno, unix.SECCOMP_RET_ERRNO},
	{specs.ActKill, unix.SECCOMP_RET_KILL_THREAD},
	{specs.ActKillProcess, unix.SECCOMP_RET_KILL_PROCESS},
	{specs.ActKillThread, unix.SECCOMP_RET_KILL_THREAD},
	{specs.ActLog, unix.SECCOMP_RET_LOG},
	{specs.ActNotify, unix.SECCOMP_RET_USER_NOTIF},
	{specs.ActTrace, unix.SECCOMP_RET_TRACE},
	{specs.ActTrap, unix.SECCOMP_RET_TRAP},
}

// action is what a filter returns for an action, without the data that goes with it.
func action(name specs.LinuxSeccompAction) (ret uint32, ok bool) {
	for i := range actions {
		if actions[i].name == name {
			return actions[i].ret, true
		}
	}
	return 0, false
}

// operators are those that a condition can have, sorted.
var operators = [...]specs.LinuxSeccompOperator{
	specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan, specs.OpMaskedEqual, specs.OpNotEqual,
}

// flags are in the order in which `features` lists them.
var flags = [...]struct {
	name  specs.LinuxSeccompFlag
	value uint32
}{
	{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_LOG", unix.SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
}

// flag is the bit of a flag, 0 for an unknown one.
func flag(name specs.LinuxSeccompFlag) uint32 {
	for i := range flags {
		if flags[i].name == name {
			return flags[i].value
		}
	}
	return 0
}

// Actions lists the actions that a profile can have.
func Actions() []string {
	list := make([]string, len(actions))
	for i, a := range actions {
		list[i] = string(a.name)
	}
	return list
}

// Operators lists the operators that a condition can have.
func Operators() []string {
	list := make([]string, len(operators))
	for i, o := range operators {
		list[i] = string(o)
	}
	return list
}

// Archs lists the architectures that a profile can name.
func Archs() []string {
	list := make([]string, len(archNames))
	for i, n := range archNames {
		list[i] = archPrefix + n
	}
	sort.Strings(list)
	return list
}

// Flags lists the flags that a profile can have.
func Flags() []string {
	list := make([]string, len(flags))
	for i, f := range flags {
		list[i] = string(f.name)
	}
	return list
}

// SupportedFlags lists those that this kernel knows: a filter at no address fails with EFAULT for them, and with
// EINVAL for others.
func SupportedFlags() []string {
	var list []string
	for _, f := range flags {
		value := f.value
		if value == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
			value |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // it is for nothing else
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(value), 0)
		if errno == unix.EFAULT {
			list = append(list, string(f.name))
		}
	}
	return list
}

// number is the number of a system call, or false where the architecture has none of that name.
func number(arch archID, index int) (uint32, bool) {
	n := numbers[arch][index]
	return uint32(n), n >= 0
}

// nameAt is the name at a place in the tables.
func nameAt(at int) string { return names[nameStarts[at]:nameStarts[at+1]] }

// find is the place of a name in the tables, -1 for a name that no architecture has.
func find(name string) int {
	low, high := 0, len(nameStarts)-1
	for low < high {
		middle := (low + high) / 2
		switch n := nameAt(middle); {
		case n == name:
			return middle
		case n < name:
			low = middle + 1
		default:
			high = middle
		}
	}
	return -1
}

const archPrefix = "SCMP_ARCH_"

// archID is an architecture's place in the tables.
type archID int

func findArch(name specs.Arch) (archID, bool) {
	short, ok := strings.CutPrefix(string(name), archPrefix)
	for i, n := range archNames {
		if ok && n == short {
			return archID(i), true
		}
	}
	return 0, false
}
