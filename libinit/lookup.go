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
func (s *Lookup) Do(e *Env) (err error) {
	e.program, err = s.search(initFiles{})
	return err
}

func (s *Lookup) search(files Files) (program string, err error) {
	if strings.Contains(s.Name, "/") {
		return s.Name, s.check(files)
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
		switch files.Executable(path) {
		case nil:
			return path, nil
		case unix.EACCES:
			denied = true
		}
	}
	if denied {
		return "", s.denied()
	}
	err = fmt.Errorf("exec: %q: executable file not found in $PATH", s.Name)
	hint := "it is looked for in the PATH of process.env, " + s.Path + ", inside the root filesystem"
	if s.Path == "" {
		hint = "process.env has no PATH: add one, or name the program by its path"
	}
	return "", fault.Hint(fault.New(fault.ExecNotFound, "process.args[0]", err), hint)
}

// check is for a program that is named by its path.
func (s *Lookup) check(files Files) error {
	switch err := files.Executable(s.Name); err {
	case nil:
		return nil
	case unix.EISDIR:
		return fault.Hint(fault.New(fault.ExecDenied, "process.args[0]", fmt.Errorf("exec: %q: is a directory", s.Name)),
			"name the program in it")
	case unix.EACCES, unix.EPERM:
		return s.denied()
	default:
		err = fmt.Errorf("exec: %q: stat %s: %w", s.Name, s.Name, err)
		return fault.Hint(&fault.Error{Code: fault.ExecNotFound, Field: "process.args[0]", Path: s.Name, Err: err},
			"the path is that inside the root filesystem, with its mounts")
	}
}

func (s *Lookup) denied() error {
	err := fmt.Errorf("exec: %q: %w", s.Name, unix.EACCES)
	return fault.Hint(fault.New(fault.ExecDenied, "process.args[0]", err),
		"the file's mode must let the process's user execute it, and its mount must not be noexec")
}
