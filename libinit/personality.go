package libinit

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Personality sets the execution domain (personality(2)): what uname(2) calls the machine.
type Personality struct{ Domain uint32 }

func (p *planner) personality() error {
	c := p.spec.Linux.Personality
	if c == nil {
		return nil
	}
	if len(c.Flags) > 0 {
		return fault.New(fault.Config, "linux.personality.flags",
			fmt.Errorf("personality flags %v: the specification defines none", c.Flags))
	}
	domains := map[specs.LinuxPersonalityDomain]uint32{specs.PerLinux: 0, specs.PerLinux32: 8}
	domain, ok := domains[c.Domain]
	if !ok {
		return fault.Expect("LINUX or LINUX32", fault.New(fault.Config, "linux.personality.domain",
			fmt.Errorf("invalid personality domain %q: LINUX and LINUX32 are allowed", c.Domain)))
	}
	p.add("linux.personality", &Personality{domain})
	return nil
}

func (s *Personality) String() string { return fmt.Sprintf("set personality %#x", s.Domain) }

// Do calls personality(2).
func (s *Personality) Do(*Env) error {
	_, _, errno := unix.Syscall(unix.SYS_PERSONALITY, uintptr(s.Domain), 0, 0)
	if errno != 0 {
		return stepError(s, errno)
	}
	return nil
}

// Umask sets the mode bits that new files do not get.
type Umask struct{ Mask uint32 }

func (s *Umask) String() string { return fmt.Sprintf("set umask %04o", s.Mask) }

// Do calls umask(2).
func (s *Umask) Do(*Env) error {
	unix.Umask(int(s.Mask))
	return nil
}

// NoNewPrivileges forbids execve to raise privileges (PR_SET_NO_NEW_PRIVS, Linux 3.5).
type NoNewPrivileges struct{}

func (*NoNewPrivileges) String() string { return "set no_new_privs" }

// Do calls prctl(2).
func (s *NoNewPrivileges) Do(*Env) error {
	return stepError(s, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// sortedNames lists the names of a table, for errors.
func sortedNames[K ~string, V any](table map[K]V) string {
	names := make([]string, 0, len(table))
	for n := range table {
		names = append(names, string(n))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
