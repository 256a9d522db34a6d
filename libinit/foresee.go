package libinit

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// MountClass is what a mount of the configuration does.
type MountClass int

// The classes of mounts.
const (
	NewKind     MountClass = iota // it mounts a filesystem
	BindKind                      // it binds a file or directory of the host
	RemountKind                   // it changes a mount that is there
)

// KindOfMount tells what a mount does: its options decide, not its type.
func KindOfMount(m *specs.Mount) MountClass {
	switch o := parseMountOptions(m.Options); {
	case o.remount:
		return RemountKind
	case o.bind:
		return BindKind
	}
	return NewKind
}

// TryFilesystem gives a filesystem its type and options, and makes nothing: what it says to them is what the step would
// meet. It takes CAP_SYS_ADMIN. Filesystems that do not look at their options until they are mounted say nothing.
func TryFilesystem(spec *specs.Spec, i int) error {
	m := &spec.Mounts[i]
	o := parseMountOptions(m.Options)
	s := (&planner{spec: spec, opts: &Options{}}).newMount(m, &o, m.Destination)
	if s.Old != 0 || slices.ContainsFunc(s.Data, tooLong) {
		return nil
	}
	c := openFilesystem(s.Type)
	defer c.close()
	s.configure(c, s.Data)
	if errno(c.err) == unix.EPERM {
		return nil
	}
	if c.err != nil {
		return s.hint(c.err)
	}
	return nil
}

// MountError is the error of a mount, in the words that engines know.
func MountError(source, dest string, err error) error { return mountError(source, dest, err) }

// SourceError is the error of a source of a bind mount that cannot be opened.
func SourceError(source string, err error) error { return sourceError(source, err) }

// NotBind is the error of a type that names what only an option asks for.
func NotBind(err error) error { return notBind(err) }

// NoFilesystem is the error of a type that the kernel does not know.
func NoFilesystem(kind string, err error) error { return noFilesystem(kind, err) }

// NotOrdinary is the error of a proc or sysfs whose target has a link in its path.
func NotOrdinary(kind string) error { return notOrdinary(kind) }

// CwdError is the error of a working directory that cannot be entered.
func CwdError(path string, err error) error { return cwdError(path, err) }
