package libinit

import (
	"fmt"
	"strings"

	"github.com/moby/sys/capability"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Bounding drops what is not in the bounding set: no execve can bring it back. It clears the caller's securebits, too,
// under which the other sets would come out differently.
type Bounding struct{ Set uint64 }

// Capabilities sets the other sets of capabilities(7), as masks.
type Capabilities struct {
	Effective, Permitted, Inheritable, Ambient uint64
	// Bounding is the set that Bounding has left: what is not in it cannot be inheritable (capset(2)).
	Bounding uint64
	// Unknown are names that no kernel known here has.
	Unknown []string
	// Filter keeps CAP_SYS_ADMIN until the seccomp filter is loaded, which needs it where no_new_privs is not set.
	// What is permitted at execve does not outlive it: the new set is made of the bounding, inheritable and
	// ambient ones and of the file's (capabilities(7), "Transformation of capabilities during execve()"), and a
	// startContainer hook is executed, too.
	Filter bool
}

// CapabilityNumber is the number of a capability by its name in config.json.
func CapabilityNumber(name string) (int, bool) {
	for _, c := range capability.ListKnown() {
		if len(name) == 4+len(c.String()) && strings.HasPrefix(name, "CAP_") && strings.EqualFold(name[4:], c.String()) {
			return int(c), true
		}
	}
	return 0, false
}

func capabilityName(n int) string { return "CAP_" + strings.ToUpper(capability.Cap(n).String()) }

// planCapabilities splits the sets of config.json into the two steps that have to be done before and after the
// change of user.
func (p *planner) planCapabilities() (*Bounding, *Capabilities) {
	c := p.spec.Process.Capabilities
	if c == nil {
		c = &specs.LinuxCapabilities{}
	}
	s := &Capabilities{Filter: p.spec.Linux.Seccomp != nil && !p.spec.Process.NoNewPrivileges}
	known := map[string]int{}
	mask := func(names []string) (set uint64) {
		for _, name := range names {
			n, ok := known[name]
			if !ok {
				if n, ok = CapabilityNumber(name); !ok {
					n = -1
					s.Unknown = append(s.Unknown, name)
				}
				known[name] = n
			}
			if n >= 0 {
				set |= 1 << n
			}
		}
		return set
	}
	bounding := &Bounding{Set: mask(c.Bounding)}
	s.Effective, s.Permitted = mask(c.Effective), mask(c.Permitted)
	s.Inheritable, s.Ambient = mask(c.Inheritable), mask(c.Ambient)
	s.Bounding = bounding.Set
	return bounding, s
}

func (s *Bounding) String() string {
	return "drop capabilities from the bounding set but " + capabilityNames(s.Set)
}

// Do drops one after the other, up to the last that this kernel has.
func (s *Bounding) Do(*Env) error {
	if err := clearSecurebits(); err != nil {
		return stepError(s, fmt.Errorf("clear securebits: %w", err))
	}
	for n := range 64 {
		if s.Set&(1<<n) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
		if err == unix.EINVAL {
			return nil
		}
		if err != nil {
			return fault.New(fault.Process, "process.capabilities.bounding", fmt.Errorf("drop %s: %w", capabilityName(n), err))
		}
	}
	return nil
}

// clearSecurebits undoes what the caller has set (capabilities(7), "The securebits flags"). A lock of his cannot be
// undone; it takes power away and gives none.
func clearSecurebits() error {
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil || bits == 0 {
		return err
	}
	if err = unix.Prctl(unix.PR_SET_SECUREBITS, 0, 0, 0, 0); err == unix.EPERM {
		return nil
	}
	return err
}

func capabilityNames(set uint64) string {
	var names []string
	for n := range 64 {
		if set&(1<<n) != 0 {
			names = append(names, capabilityName(n))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func (s *Capabilities) String() string { return "set capabilities " + capabilityNames(s.Permitted) }

// Do grants what can be granted and warns of the rest (runtime-spec, config.md, "Linux Process": a runtime SHOULD
// NOT fail).
func (s *Capabilities) Do(e *Env) error {
	if len(s.Unknown) > 0 {
		if err := e.warn("ignoring unknown or unavailable capabilities: %v", s.Unknown); err != nil {
			return err
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var held [2]unix.CapUserData
	if err := unix.Capget(&header, &held[0]); err != nil {
		return stepError(s, err)
	}
	permitted := uint64(held[0].Permitted) | uint64(held[1].Permitted)<<32
	if err := s.warn(e, permitted); err != nil {
		return err
	}
	var extra uint64
	if s.Filter {
		extra = 1 << unix.CAP_SYS_ADMIN
	}
	want := capabilityData((s.Effective&s.Permitted|extra)&permitted, (s.Permitted|extra)&permitted, s.Inheritable&s.Bounding&permitted)
	if err := unix.Capset(&header, &want[0]); err != nil {
		return stepError(s, err)
	}
	return s.raiseAmbient(e)
}

// warn tells which capabilities cannot be granted.
func (s *Capabilities) warn(e *Env, permitted uint64) error {
	for _, w := range []struct {
		set uint64
		why string
	}{
		{(s.Permitted | s.Effective | s.Inheritable) &^ permitted, "capabilities cannot be granted, as the caller does not hold them"},
		{s.Effective & permitted &^ s.Permitted, "capabilities cannot be effective, as they are not permitted"},
		{s.Inheritable & permitted &^ s.Bounding, "capabilities cannot be inheritable, as they are not in the bounding set"},
	} {
		if w.set == 0 {
			continue
		}
		if err := e.warn("%s: %s", w.why, capabilityNames(w.set)); err != nil {
			return err
		}
	}
	return nil
}

func capabilityData(effective, permitted, inheritable uint64) (d [2]unix.CapUserData) {
	for i := range d {
		d[i].Effective = uint32(effective >> (32 * i))
		d[i].Permitted = uint32(permitted >> (32 * i))
		d[i].Inheritable = uint32(inheritable >> (32 * i))
	}
	return d
}

// raiseAmbient sets the ambient set, which init itself was started without. A capability that is not permitted and
// inheritable cannot be raised.
func (s *Capabilities) raiseAmbient(e *Env) error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return stepError(s, err)
	}
	for n := range 64 {
		if s.Ambient&(1<<n) == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			if err := e.warn("can't raise ambient capability %s: %v", capabilityName(n), err); err != nil {
				return err
			}
		}
	}
	return nil
}

// CapabilityNames are the names that a configuration may have.
func CapabilityNames() []string {
	known := capability.ListKnown()
	names := make([]string, len(known))
	for i, c := range known {
		names[i] = capabilityName(int(c))
	}
	return names
}
