package spawn

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// later are the namespaces that are unshared once the process is root of its user namespace.
const later = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_NEWPID

// namespaceFlags are those of all namespaces.
const namespaceFlags = later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME

// flags are the CLONE_NEW* flags of the types of namespaces, and their names in /proc/PID/ns.
var flags = [...]struct {
	kind specs.LinuxNamespaceType
	flag uintptr
	file string
}{
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "time"},
}

// FlagOf is the CLONE_NEW* flag of a type, or 0, with which setns takes a namespace of any type.
func FlagOf(t specs.LinuxNamespaceType) uintptr {
	for i := range flags {
		if flags[i].kind == t {
			return flags[i].flag
		}
	}
	return 0
}

// TypesOf lists the namespaces among the CLONE_NEW* flags.
func TypesOf(f uintptr) (types []specs.LinuxNamespaceType) {
	for i := range flags {
		if f&flags[i].flag != 0 {
			types = append(types, flags[i].kind)
		}
	}
	return types
}

// flagNames names the namespaces among f, for errors.
func flagNames(f uintptr) string {
	f &= namespaceFlags
	var b strings.Builder
	for i := range flags {
		if f&flags[i].flag != 0 {
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			b.WriteString(string(flags[i].kind))
		}
	}
	switch f {
	case 0:
		return "process"
	case f & -f:
		return b.String() + " namespace"
	}
	return b.String() + " namespaces"
}
