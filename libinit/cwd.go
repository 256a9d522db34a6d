package libinit

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Cwd goes to the program's working directory.
type Cwd struct {
	Path string
	Make bool // where it is missing
}

// cwd is the working directory that root of the user namespace could not enter: its user may.
type cwd struct{ path string }

func (p *planner) cwd(make bool) error {
	path := p.spec.Process.Cwd
	if !strings.HasPrefix(path, "/") {
		return fault.Expect("a path in the container that begins with /", fault.New(fault.Config, "process.cwd", fmt.Errorf("Cwd must be an absolute path: %q", path)))
	}
	p.add("process.cwd", &Cwd{Path: path, Make: make})
	return nil
}

func (s *Cwd) String() string { return "change directory to " + s.Path }

// Do resolves the path inside the root filesystem, without /proc/self/fd and its like: there is no way to a
// directory of the host (CVE-2024-21626).
func (s *Cwd) Do(e *Env) error {
	fd, err := s.open(int(e.Root.Fd()))
	if err == nil {
		err = unix.Fchdir(fd)
		_ = unix.Close(fd)
	}
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		e.cwd.path = s.Path
		return nil
	}
	return cwdError(s.Path, err)
}

func (s *Cwd) open(root int) (int, error) {
	if !s.Make {
		return openIn(root, s.Path, 0)
	}
	fd, _, err := target{path: s.Path}.open(root)
	return fd, err
}

func cwdError(path string, err error) error {
	if err == nil {
		return nil
	}
	err = fault.New(fault.Process, "process.cwd", fmt.Errorf("chdir to cwd (%q) set in config.json failed: %w", path, err))
	switch errno(err) {
	case unix.ENOTDIR:
		return fault.Hint(err, "in the root filesystem it is no directory, or something above it is none")
	case unix.EROFS:
		return fault.Hint(err, "it is not there, and cannot be made in a read-only root filesystem")
	}
	return err
}

// again tries as the program's user. Init is inside by now: a path cannot lead out.
func (c cwd) again(root int) error {
	if c.path == "" {
		return nil
	}
	fd, err := openIn(root, c.path, 0)
	if err == nil {
		err = unix.Fchdir(fd)
		_ = unix.Close(fd)
	}
	return cwdError(c.path, err)
}
