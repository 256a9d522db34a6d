// Package stdio writes to standard output and standard error by their descriptors. os.Stdout and os.Stderr end the
// process with SIGPIPE when the reader is gone, which must not happen to a create that is half done; asking for that
// signal instead would cost a thread.
package stdio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrNoReader says that nobody reads what is written any more.
var ErrNoReader = errors.New("standard output: nobody reads it")

// File is an open descriptor.
type File int

// Standard output and standard error.
const (
	Out File = 1
	Err File = 2
)

// Write writes all of b. What standard error is to take when nobody reads it is dropped.
func (f File) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(int(f), b[done:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			// Whoever shares the terminal or pipe has made it non-blocking.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(f), Events: unix.POLLOUT}}, -1)
		case err == unix.EPIPE && f == Out:
			return done, ErrNoReader
		case err == unix.EPIPE && f == Err:
			// The logger would say so on os.Stderr, which ends the process.
			return len(b), nil
		case err != nil:
			return done, err
		default:
			done += n
		}
	}
	return done, nil
}

// WriteString writes s.
func (f File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// Terminal tells whether the descriptor is a terminal.
func (f File) Terminal() bool {
	_, err := unix.IoctlGetTermios(int(f), unix.TCGETS)
	return err == nil
}
