package check

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/libinit"
)

func itoa(n int) string { return strconv.Itoa(n) }

func isUnseen(err error) bool { return errors.Is(err, errUnseen) }

// leaves is the doubt about a path with ".." beyond the root.
func leaves(field, name, inside string) error {
	return fault.Hint(fault.New(fault.PathLeaves, field, fmt.Errorf("%s: %s leads out of the root filesystem", field, name)),
		"it is taken as "+inside+", inside the root filesystem")
}

// mounts looks at the sources and targets of the mounts, in order, as each changes what the next one meets.
func (c *checker) mounts() {
	for i := range c.spec.Mounts {
		m := &c.spec.Mounts[i]
		if m.Destination == "" {
			continue
		}
		field := "mounts[" + itoa(i) + "]"
		if err := c.mount(i, m, field); err != nil {
			c.wrong(fault.At(field, libinit.MountError(m.Source, path.Clean("/"+m.Destination), err)))
		}
	}
}

func (c *checker) mount(i int, m *specs.Mount, field string) error {
	at, err := c.view.lookup(m.Destination)
	if err == nil {
		defer unix.Close(at.fd)
	}
	c.inside(field+".destination", m.Destination, &at)
	switch libinit.KindOfMount(m) {
	case libinit.RemountKind:
		return nil
	case libinit.BindKind:
		return c.bind(m, &at, err)
	}
	c.view.cover(at.path, unseen)
	if err := c.filesystem(i, m); err != nil {
		return err
	}
	if (m.Type == "proc" || m.Type == "sysfs") && at.links {
		return libinit.NotOrdinary(m.Type)
	}
	return target(m.Type, &at, err, nil)
}

// target compares what is there with what is to be mounted: a filesystem, or a source with this mode.
func target(kind string, at *found, err error, source *uint32) error {
	switch {
	case err == unix.ENOTDIR:
		return libinit.BelowFile(at.there, at.mode, err)
	case err != nil:
		return nil //nolint:nilerr // what is missing is made
	case source != nil:
		return libinit.MountKinds(*source, at.mode, at.path)
	}
	return libinit.NeedsDirectory(kind, at.mode, at.path)
}

func (c *checker) bind(m *specs.Mount, at *found, err error) error {
	source := m.Source
	if !filepath.IsAbs(source) {
		source = filepath.Join(c.dir, source)
	}
	fd, openErr := unix.Open(source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if openErr != nil {
		c.view.cover(at.path, unseen)
		if openErr == unix.EACCES && os.Geteuid() != 0 {
			return nil // root of the user namespace, or the runtime, may be allowed to
		}
		return libinit.SourceError(source, openErr)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return libinit.SourceError(source, err)
	}
	wrong := target("bind", at, err, &st.Mode)
	c.view.cover(at.path, fd)
	return wrong
}

func (c *checker) newUserNamespace() bool {
	return slices.ContainsFunc(c.spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.UserNamespace && n.Path == ""
	})
}

// filesystem looks whether the kernel knows the filesystem and its options.
func (c *checker) filesystem(i int, m *specs.Mount) error {
	if m.Type == "" || m.Type == "cgroup" || m.Type == "cgroup2" {
		return nil
	}
	if m.Type == "bind" || m.Type == "none" {
		return libinit.NotBind(fmt.Errorf("fsopen %s: %w", m.Type, unix.ENODEV))
	}
	if m.Type == "proc" && c.newUserNamespace() {
		if err := libinit.ForeseeProc(); err != nil {
			return err
		}
	}
	if c.privileged {
		return libinit.TryFilesystem(c.spec, i)
	}
	b, err := os.ReadFile("/proc/filesystems")
	if err != nil || strings.Contains(string(b), "\t"+m.Type+"\n") {
		return nil //nolint:nilerr // without the list nothing is known
	}
	c.doubt(fault.At("mounts["+itoa(i)+"]", libinit.NoFilesystem(m.Type, fmt.Errorf("filesystem %q is not in /proc/filesystems", m.Type))))
	return nil
}
