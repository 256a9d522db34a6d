package libinit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// MemoryPolicy sets the NUMA policy (set_mempolicy(2)).
type MemoryPolicy struct {
	Name string
	Mode uint64 // with its flags
	Mask []uint64
}

func memoryModes() map[specs.MemoryPolicyModeType]uint64 {
	return map[specs.MemoryPolicyModeType]uint64{
		specs.MpolDefault: 0, specs.MpolPreferred: 1, specs.MpolBind: 2, specs.MpolInterleave: 3, specs.MpolLocal: 4,
		specs.MpolPreferredMany: 5, specs.MpolWeightedInterleave: 6,
	}
}

func memoryFlags() map[specs.MemoryPolicyFlagType]uint64 {
	return map[specs.MemoryPolicyFlagType]uint64{
		specs.MpolFNumaBalancing: 1 << 13, specs.MpolFRelativeNodes: 1 << 14, specs.MpolFStaticNodes: 1 << 15,
	}
}

// MemoryPolicyModes lists the modes that a memory policy may have, sorted.
func MemoryPolicyModes() []string { return strings.Split(sortedNames(memoryModes()), ", ") }

// MemoryPolicyFlags lists the flags that a memory policy may have, sorted.
func MemoryPolicyFlags() []string { return strings.Split(sortedNames(memoryFlags()), ", ") }

// maxNode is the kernel's largest MAX_NUMNODES.
const maxNode = 1024

func (p *planner) memoryPolicy() error {
	c := p.spec.Linux.MemoryPolicy
	if c == nil {
		return nil
	}
	mode, ok := memoryModes()[c.Mode]
	if !ok {
		return badPolicy("mode", "invalid memory policy mode %q: it is none of %s", c.Mode, sortedNames(memoryModes()))
	}
	for _, f := range c.Flags {
		flag, ok := memoryFlags()[f]
		if !ok {
			return badPolicy("flags", "invalid memory policy flag %q: it is none of %s", f, sortedNames(memoryFlags()))
		}
		mode |= flag
	}
	nodes, err := parseList(c.Nodes, maxNode)
	if err != nil {
		return badPolicy("nodes", "invalid memory policy node: %v", err)
	}
	needsNone := c.Mode == specs.MpolDefault || c.Mode == specs.MpolLocal
	switch {
	case needsNone && len(nodes) > 0:
		return badPolicy("nodes", "invalid memory policy: %s mode requires 0 nodes but got %d", c.Mode, len(nodes))
	case needsNone && len(c.Flags) > 0:
		return badPolicy("flags", "invalid memory policy flag: mode %s takes none", c.Mode)
	case !needsNone && len(nodes) == 0 && c.Mode != specs.MpolPreferred:
		return badPolicy("nodes", "invalid memory policy: %s mode requires at least 1 node but got 0", c.Mode)
	}
	p.add("linux.memoryPolicy", &MemoryPolicy{Name: string(c.Mode), Mode: mode, Mask: bitmask(nodes)})
	return nil
}

func badPolicy(field, format string, a ...any) error {
	return fault.New(fault.Config, "linux.memoryPolicy."+field, fmt.Errorf(format, a...))
}

// parseList parses a list as cpuset(7) has it, "0-3,7", of numbers below limit.
func parseList(s string, limit int) ([]int, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.ParseUint(first, 10, 31)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 31)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is not a number or a range", part)
		case to < from:
			return nil, fmt.Errorf("range %q ends before it begins", part)
		case to >= uint64(limit):
			return nil, fmt.Errorf("%d is not below %d", to, limit)
		}
		for n := from; n <= to; n++ {
			list = append(list, int(n))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func bitmask(numbers []int) []uint64 {
	var mask []uint64
	for _, n := range numbers {
		for len(mask) <= n/64 {
			mask = append(mask, 0)
		}
		mask[n/64] |= 1 << (n % 64)
	}
	return mask
}

func (s *MemoryPolicy) String() string { return "set memory policy " + s.Name }

// Do calls set_mempolicy(2).
func (s *MemoryPolicy) Do(*Env) error {
	var mask unsafe.Pointer
	bits := 0
	if len(s.Mask) > 0 {
		// The kernel counts one bit more than it looks at.
		mask, bits = unsafe.Pointer(&s.Mask[0]), len(s.Mask)*64+1
	}
	_, _, errno := unix.Syscall(unix.SYS_SET_MEMPOLICY, uintptr(s.Mode), uintptr(mask), uintptr(bits))
	if errno == 0 {
		return nil
	}
	err := stepError(s, errno)
	if errors.Is(err, unix.EINVAL) {
		err = fault.Hint(err, "a node may not be there, or the mode may be newer than this kernel")
	}
	return err
}
