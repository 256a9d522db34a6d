// Package fault gives an error what a person or a program needs to act on it: a stable code, the phase, the field of
// config.json (or the path) that is at fault, and a hint. The text stays that of the wrapped error.
package fault

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Code names one kind of failure. Codes are stable: scripts may match them.
type Code string

// Phase is how far a command was. Where none of the constants is said, it is the name of the command.
type Phase string

// The phases.
const (
	Arguments Phase = "arguments" // the command line was read
	Prepare   Phase = "prepare"   // the bundle was read and checked, and nothing was made yet
	Create    Phase = "create"    // the runtime made, outside, what a container has: state, cgroups, namespaces
	Init      Phase = "init"      // init did the steps of its plan
	Start     Phase = "start"     // the container was let go, up to execve
)

// Error is an error together with what is known of its cause. Fields that are not known are empty.
type Error struct {
	Code     Code       // one of the constants in codes.go
	Phase    Phase      // see Phase
	Step     string     // what init was about to do, as "mount proc at /proc"
	Field    string     // the field of config.json, as "process.cwd" or "mounts[3].source"; one that begins with "." is below the next one's
	Path     string     // the file or directory at fault
	Expected string     // what would be right, where the text does not say it
	Hint     string     // what to do, one sentence
	Errno    unix.Errno // the kernel's answer, 0 without
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New returns an error with a code and the field at fault.
func New(code Code, field string, err error) error {
	return &Error{Code: code, Field: field, Err: err}
}

// Hint adds a hint to err. The hint nearest to the cause wins.
func Hint(err error, hint string) error {
	if err == nil || Of(err).Hint != "" {
		return err
	}
	return &Error{Hint: hint, Err: err}
}

// Rehint replaces the hint of err.
func Rehint(err error, hint string) error {
	facts := Of(err)
	facts.Err, facts.Hint = errors.New(err.Error()), hint
	return &facts
}

// At adds the field of config.json that err is about. The field nearest to the cause wins; one that begins with "." is
// of this one.
func At(field string, err error) error {
	if err == nil {
		return nil
	}
	if near := Of(err).Field; near != "" {
		if near[0] != '.' {
			return err
		}
		field += near
	}
	return &Error{Field: field, Err: err}
}

// Expect adds what would be right.
func Expect(expected string, err error) error {
	return &Error{Expected: expected, Err: err}
}

// During adds the phase. The one nearest to the cause wins.
func During(phase Phase, err error) error {
	if err == nil || Of(err).Phase != "" {
		return err
	}
	return &Error{Phase: phase, Err: err}
}

// Of collects what the chain of err says: of each fact the one nearest to the cause. An error without a code gets one
// by its errno.
func Of(err error) Error {
	all := Error{Err: err}
	var no unix.Errno
	if errors.As(err, &no) {
		all.Errno = no
	}
	all.Path = pathOf(err)
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			break
		}
		all.take(e)
		err = e.Err
	}
	return all
}

func (e *Error) take(near *Error) {
	if near.Code != "" {
		e.Code = near.Code
	}
	if near.Phase != "" {
		e.Phase = near.Phase
	}
	if near.Errno != 0 {
		e.Errno = near.Errno
	}
	for _, s := range [...]struct{ to, from *string }{
		{&e.Step, &near.Step}, {&e.Path, &near.Path}, {&e.Expected, &near.Expected}, {&e.Hint, &near.Hint},
	} {
		if *s.from != "" {
			*s.to = *s.from
		}
	}
	// A relative field has been joined to what it is relative to.
	if near.Field != "" && (e.Field == "" || near.Field[0] != '.') {
		e.Field = near.Field
	}
}

// pathOf is the path that package os has put into an error.
func pathOf(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Path
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.New
	}
	return ""
}

// Classify is the code of an error that has none: what the kernel refused, and what nobody has thought of.
func Classify(err error) Code {
	facts := Of(err)
	switch {
	case facts.Code != "":
		return facts.Code
	case errors.Is(err, os.ErrPermission):
		return Permission
	case facts.Errno == unix.ENOSYS || facts.Errno == unix.EOPNOTSUPP:
		return Unsupported
	case facts.Errno != 0:
		return System
	}
	return Internal
}
