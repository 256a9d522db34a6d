package libinit

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// ReadonlyMounts makes the mounts read-only that had to be writable until here: those in which mount points and
// devices were made, and the root.
type ReadonlyMounts struct {
	Root bool
}

// readonly adds what makes the root filesystem read-only.
func (p *planner) readonly() error {
	s := &ReadonlyMounts{Root: p.spec.Root != nil && p.spec.Root.Readonly}
	late := s.Root
	for _, e := range p.steps {
		if m, ok := e.Step.(*Mount); ok && m.Late {
			late = true
		}
	}
	if late {
		p.add("root.readonly", s)
	}
	return nil
}

func (s *ReadonlyMounts) String() string {
	if s.Root {
		return "make / read-only"
	}
	return "make complete mounts read-only"
}

// Do makes them read-only.
func (s *ReadonlyMounts) Do(e *Env) error {
	for _, fd := range e.late {
		err := setAttr(fd, false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		closeFd(fd)
		if err != nil {
			return fault.New(fault.Mount, "", fmt.Errorf("make a mount read-only: %w", err))
		}
	}
	e.late = nil
	if !s.Root {
		return nil
	}
	if err := setAttr(int(e.Root.Fd()), false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fault.New(fault.Rootfs, "", fmt.Errorf("make / read-only: %w", err))
	}
	return nil
}

// ReadonlyPaths makes paths inside the container read-only. What is not there is left out.
type ReadonlyPaths struct {
	Paths []string
}

func (s *ReadonlyPaths) String() string { return "make read-only " + strings.Join(s.Paths, " ") }

// Do binds each path over itself, read-only. Other flags of the mount stay as they are.
func (s *ReadonlyPaths) Do(e *Env) error {
	for i, name := range s.Paths {
		if slices.Contains(s.Paths[:i], name) {
			continue
		}
		if err := readonlyPath(e, name); err != nil {
			return fault.New(fault.Mount, fmt.Sprintf("linux.readonlyPaths[%d]", i), fmt.Errorf("make %s read-only: %w", name, err))
		}
	}
	return nil
}

func readonlyPath(e *Env, name string) error {
	at, err := e.lookup(name)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFd(at)
	fd, err := cloneTree(at, "", true)
	if err != nil {
		return err
	}
	defer closeFd(fd)
	if err := setAttr(fd, false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return err
	}
	return attach(fd, at)
}

// absolutePaths checks the paths of a field and cleans them.
func (p *planner) absolutePaths(field string, paths []string) []string {
	clean := make([]string, len(paths))
	for i, name := range paths {
		if !strings.HasPrefix(name, "/") || strings.IndexByte(name, 0) >= 0 {
			field := fmt.Sprintf("%s[%d]", field, i)
			p.bad(fault.New(fault.Config, field, fmt.Errorf("%s: %q is not an absolute path", field, name)))
		}
		clean[i] = path.Clean(name)
	}
	return clean
}
