// Package fault gives an error what a person or a program needs to act on it: a stable code, the field of
// config.json (or the path) that is at fault, and a hint. The text stays that of the wrapped error.
package fault

import "errors"

// Code names one kind of failure. Codes are stable: scripts may match them.
type Code string

// Error is an error together with what is known of its cause. Fields that are not known are empty.
type Error struct {
	Code  Code   // one of the constants in codes.go
	Field string // the field of config.json, as "process.cwd" or "mounts[3].source"
	Hint  string // what to do, one sentence
	Err   error
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

// At adds the field of config.json that err is about. The field nearest to the cause wins.
func At(field string, err error) error {
	if err == nil || Of(err).Field != "" {
		return err
	}
	return &Error{Field: field, Err: err}
}

// Of collects what the chain of err says: of each fact the one nearest to the cause.
func Of(err error) Error {
	all := Error{Err: err}
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			break
		}
		if e.Code != "" {
			all.Code = e.Code
		}
		if e.Field != "" {
			all.Field = e.Field
		}
		if e.Hint != "" {
			all.Hint = e.Hint
		}
		err = e.Err
	}
	return all
}
