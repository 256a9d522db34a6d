package libinit

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Lookup finds the program, as the program's user and in its root filesystem, while there is still somebody to tell
// that it is missing.
type Lookup struct{ Name, Path string } // Path is the value of PATH

func (s *Lookup) String() string { return "find program " + s.Name }

// Do keeps the path for the last step.
func (s *Lookup) Do(e *Env) error {
	if strings.Contains(s.Name, "/") {
		e.program = s.Name
		return s.check()
	}
	denied := false
	for dir := range strings.SplitSeq(s.Path, ":") {
		if s.Path == "" {
			break // no directory, and not the working directory, which an empty part of PATH means
		}
		if dir == "" {
			dir = "."
		}
		path := strings.TrimSuffix(dir, "/") + "/" + s.Name
		switch executable(path) {
		case nil:
			e.program = path
			return nil
		case unix.EACCES:
			denied = true
		}
	}
	if denied {
		return s.denied()
	}
	err := fmt.Errorf("exec: %q: executable file not found in $PATH", s.Name)
	return fault.Hint(fault.New(fault.ExecNotFound, "process.args[0]", err), "PATH is that of process.env: "+s.Path)
}

// check is for a program that is named by its path.
func (s *Lookup) check() error {
	switch err := executable(s.Name); err {
	case nil:
		return nil
	case unix.EISDIR:
		return fault.New(fault.ExecDenied, "process.args[0]", fmt.Errorf("exec: %q: is a directory", s.Name))
	case unix.EACCES, unix.EPERM:
		return s.denied()
	default:
		return fault.New(fault.ExecNotFound, "process.args[0]", fmt.Errorf("exec: %q: stat %s: %w", s.Name, s.Name, err))
	}
}

func (s *Lookup) denied() error {
	err := fmt.Errorf("exec: %q: %w", s.Name, unix.EACCES)
	return fault.Hint(fault.New(fault.ExecDenied, "process.args[0]", err),
		"the file's mode must let the process's user execute it, and its mount must not be noexec")
}

// executable tells whether this thread may execute the file.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}
