package libinit

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/seccomp"
)

// Parts says more of a step than its String: what it does to each of the things that it names, and the flags that the
// kernel gets. Most steps need none.
func Parts(s Step) []string {
	switch s := s.(type) {
	case *Mount:
		return mountParts(s)
	case *Bind:
		return bindParts(s)
	case *Devices:
		return deviceParts(s)
	case *Exec:
		return execParts(s)
	case *Filter:
		return filterParts(&s.Filter)
	case *Capabilities:
		return capabilityParts(s)
	}
	return nil
}

func mountParts(m *Mount) (parts []string) {
	if m.Attr != 0 {
		parts = append(parts, "attributes "+attrNames(m.Attr))
	}
	if m.Old|m.Super != 0 {
		parts = append(parts, fmt.Sprintf("flags of the filesystem %#x", m.Old|m.Super))
	}
	if len(m.Data) > 0 {
		parts = append(parts, "options of the filesystem "+strings.Join(m.Data, " "))
	}
	if m.KeepMode {
		parts = append(parts, "with the mode of the directory that it covers")
	}
	if m.CopyUp {
		parts = append(parts, "with a copy of what the directory holds")
	}
	if m.Late {
		parts = append(parts, "read-only when all is made that goes into it")
	}
	return append(parts, propagationParts(m.Propagation)...)
}

func bindParts(b *Bind) (parts []string) {
	if b.FromParent {
		parts = append(parts, "opened by the runtime, which init asks")
	}
	if b.Recursive {
		parts = append(parts, "with all mounts below")
	}
	for _, a := range [...]struct {
		what string
		attr uint64
	}{
		{"set ", b.Attributes.Set}, {"clear ", b.Attributes.Clear}, {"clear, for no option names them, ", b.Attributes.Unnamed},
		{"set, below, too, ", b.RecSet}, {"clear, below, too, ", b.RecClear},
	} {
		if a.attr != 0 {
			parts = append(parts, a.what+attrNames(a.attr))
		}
	}
	return append(parts, propagationParts(b.Propagation)...)
}

func propagationParts(all []uint64) (parts []string) {
	for _, p := range all {
		for _, o := range optionTable {
			if o.kind == optPropagation && o.flag == p {
				parts = append(parts, "propagation "+o.name)
			}
		}
	}
	return parts
}

// attrNames names MOUNT_ATTR_* by the options that set them.
func attrNames(attr uint64) string {
	var names []string
	for _, o := range optionTable {
		switch {
		case o.kind == optSet && attr&o.flag != 0, o.kind == optAtime && o.flag != 0 && attr&unix.MOUNT_ATTR__ATIME == o.flag:
			names = append(names, o.name)
		}
	}
	return strings.Join(names, " ")
}

func deviceParts(s *Devices) []string {
	parts := make([]string, len(s.Nodes))
	for i, d := range s.Nodes {
		kind := "character device"
		switch d.Mode & unix.S_IFMT {
		case unix.S_IFBLK:
			kind = "block device"
		case unix.S_IFIFO:
			kind = "FIFO"
		}
		parts[i] = fmt.Sprintf("%s: %s %d:%d, mode %04o, owner %d:%d", d.Path, kind, d.Major, d.Minor, d.Mode&0o7777, d.UID, d.GID)
	}
	return parts
}

func execParts(s *Exec) []string {
	parts := make([]string, 0, len(s.Env)+1)
	for _, v := range s.Env {
		parts = append(parts, "environment "+v)
	}
	if s.Filter != nil {
		parts = append(parts, filterParts(s.Filter)...)
	}
	return parts
}

func filterParts(f *seccomp.Filter) []string {
	n := f.Numbers()
	parts := []string{
		"seccomp filter: " + strconv.Itoa(n.Instructions) + " instructions, at most " + strconv.Itoa(n.Longest) + " are run for a call",
	}
	for _, a := range n.Archs {
		parts = append(parts, fmt.Sprintf("%s: %d of %d system calls are allowed, %d of them if their arguments fit", a.Name, a.Allowed, a.Known, a.Conditional))
	}
	return parts
}

func capabilityParts(s *Capabilities) (parts []string) {
	for _, c := range [...]struct {
		name string
		set  uint64
	}{{"effective", s.Effective}, {"permitted", s.Permitted}, {"inheritable", s.Inheritable}, {"ambient", s.Ambient}} {
		parts = append(parts, c.name+": "+capabilityNames(c.set))
	}
	for _, name := range s.Unknown {
		parts = append(parts, "unknown here, left out: "+name)
	}
	return parts
}
