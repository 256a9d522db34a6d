package spawn

import (
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Foresee is the error that a new namespace of this type would meet, as far as it shows beforehand. user says that the
// container has a user namespace of its own.
func Foresee(kind specs.LinuxNamespaceType, user bool) error {
	file := ""
	for i := range flags {
		if flags[i].kind == kind {
			file = flags[i].file
		}
	}
	e := &Error{Op: "clone " + flagNames(FlagOf(kind))}
	switch {
	case unix.Access("/proc/self/ns/"+file, unix.F_OK) == unix.ENOENT:
		e.Errno = unix.EINVAL
	case isSet("user/max_"+file+"_namespaces", "0"):
		e.Errno = unix.ENOSPC
	case !user && os.Geteuid() != 0, kind == specs.UserNamespace && os.Geteuid() != 0 && restricted():
		e.Errno = unix.EPERM
	default:
		return nil
	}
	return hint(fault.New(fault.Namespace, "linux.namespaces", e), e)
}

// restricted tells whether a sysctl keeps user namespaces for root.
func restricted() bool {
	return isSet("kernel/unprivileged_userns_clone", "0") || isSet("kernel/apparmor_restrict_unprivileged_userns", "1")
}

// exhausted names the sysctls that allow no namespace of those that an operation is about.
func exhausted(op string) string {
	var names []string
	for i := range flags {
		if name := "max_" + flags[i].file + "_namespaces"; strings.Contains(op, string(flags[i].kind)) && isSet("user/"+name, "0") {
			names = append(names, "user."+name)
		}
	}
	return strings.Join(names, ", ")
}

// Most is how many namespaces of a type there may be, as the sysctl has it; "" where that is not known.
func Most(kind specs.LinuxNamespaceType) string {
	for i := range flags {
		if flags[i].kind == kind {
			b, err := os.ReadFile("/proc/sys/user/max_" + flags[i].file + "_namespaces")
			if err == nil {
				return strings.TrimSpace(string(b))
			}
		}
	}
	return ""
}
