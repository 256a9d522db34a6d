// Package scm hands a descriptor to a program that listens on a socket (SCM_RIGHTS, unix(7)).
package scm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Timeout is how long the program at the other end may take to accept the connection and the message.
const Timeout = 10 * time.Second

// Send connects to the stream socket at path and sends one message: body, and the descriptor of f.
func Send(path string, body []byte, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	// It bounds connect(2) too, which waits while the backlog is full.
	limit := unix.NsecToTimeval(Timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := connect(fd, path); err != nil {
		return explain("connect to", path, err)
	}
	for {
		err := unix.Sendmsg(fd, body, unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return explain("send to", path, err)
		}
	}
}

// maxPath is what fits into struct sockaddr_un.
const maxPath = 107

// connect reaches a socket whose path is too long for an address through its directory.
func connect(fd int, path string) error {
	if len(path) > maxPath {
		dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		path = "/proc/self/fd/" + strconv.Itoa(dir) + "/" + filepath.Base(path)
	}
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if err != unix.EINTR {
			return err
		}
	}
}

func explain(what, path string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EAGAIN:
		return fault.New(fault.Timeout, "", fmt.Errorf("%s %s: no answer within %s", what, path, Timeout))
	case unix.ECONNREFUSED:
		return fault.Hint(fmt.Errorf("%s %s: %w", what, path, err), "nobody listens on the socket")
	}
	return fmt.Errorf("%s %s: %w", what, path, err)
}
