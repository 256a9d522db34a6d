// Package notify passes what a container's program says of itself (sd_notify(3)) on to the service manager that has
// started the runtime with NOTIFY_SOCKET.
//
// The manager's own socket is never shown to the container: whoever can write to it can have descriptors kept, or
// name any process of the service its main one. The container gets a socket of its own, whose directory is bound
// read-only at Dir, and a relay takes the messages from there to the manager's. It lets pass only what a program
// says of its own state; MAINPID, descriptors and the like are dropped.
//
// The socket is made when the container is started, by the process that then reads it:
//
//   - `run` in the foreground is the service's main process and relays as long as the container lives. It sends no
//     MAINPID: it stays the main process itself.
//   - `start` and `run --detach` relay until the program says READY=1, and send MAINPID along, the container's first
//     process as the host sees it. The manager then watches that one, and with NotifyAccess=main hears nobody else, so
//     that nothing is left to relay; later messages of the program are refused by its socket. A program that never
//     gets ready does not keep them: they end with it, and otherwise after Patience.
//
// `create` does no more than to make the directory, so it never waits.
package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where the socket is in the container.
const (
	Dir    = "/run/notify"
	Socket = Dir + "/" + name
	name   = "notify.sock"
)

// Patience is how long a detached container may take to get ready: what systemd allows a service by default
// (DefaultTimeoutStartSec).
const Patience = 90 * time.Second

// Relay is a container's socket, and the way to the manager's.
type Relay struct {
	path string
	in   int
	out  int
	host unix.Sockaddr
	buf  []byte
}

// maxMessage is what systemd takes (NOTIFY_BUFFER_MAX). Longer ones are dropped.
const maxMessage = 4096

// Listen makes the container's socket in dir and relays to host, a path or (with "@") an abstract address.
func Listen(dir, host string) (*Relay, error) {
	to, err := address(host)
	if err != nil {
		return nil, err
	}
	r := &Relay{path: filepath.Join(dir, name), in: -1, out: -1, host: to, buf: make([]byte, maxMessage+1)}
	if err := r.open(dir); err != nil {
		r.Close()
		return nil, fmt.Errorf("make notify socket: %w", err)
	}
	return r, nil
}

// address is an address that sd_notify(3) knows.
func address(host string) (unix.Sockaddr, error) {
	const longest = 107 // of struct sockaddr_un
	if len(host) < 2 || len(host) > longest || host[0] != '/' && host[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is not an address of a socket", host)
	}
	return &unix.SockaddrUnix{Name: host}, nil
}

func (r *Relay) open(dir string) (err error) {
	const kind = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	if r.out, err = unix.Socket(unix.AF_UNIX, kind, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	// A manager that does not read must not hold up the container.
	limit := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
	if err = unix.SetsockoptTimeval(r.out, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if r.in, err = unix.Socket(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	// A start that was killed leaves one.
	if err := os.Remove(r.path); err != nil && !os.IsNotExist(err) {
		return err
	}
	// The path may be too long for an address: it is reached through the directory's descriptor.
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(at)
	if err := unix.Bind(r.in, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(at) + "/" + name}); err != nil {
		return &os.PathError{Op: "bind", Path: r.path, Err: err}
	}
	// Any user of the container may be its program's.
	return os.Chmod(r.path, 0o777)
}

// Close takes the socket away.
func (r *Relay) Close() {
	if r.in >= 0 {
		_ = unix.Close(r.in)
		_ = os.Remove(r.path)
	}
	if r.out >= 0 {
		_ = unix.Close(r.out)
	}
	r.in, r.out = -1, -1
}

// Fd is the descriptor that can be read when there is a message.
func (r *Relay) Fd() int { return r.in }

// Forward passes on the messages that there are, without waiting for more. When one says READY=1, mainPid goes along
// as MAINPID unless it is 0, and Forward returns true without looking at later ones.
func (r *Relay) Forward(mainPid int) (ready bool, err error) {
	for {
		// Without room for control messages the kernel closes what descriptors come, as BARRIER=1 waits for.
		n, _, err := unix.Recvfrom(r.in, r.buf, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return false, nil
		case err != nil:
			return false, fmt.Errorf("receive notification: %w", err)
		case n > maxMessage:
			continue
		}
		message, ready := filter(string(r.buf[:n]))
		if ready && mainPid != 0 {
			message = append(message, "MAINPID="+strconv.Itoa(mainPid))
		}
		if len(message) == 0 {
			continue
		}
		if err := r.send(strings.Join(message, "\n")); err != nil {
			return false, fmt.Errorf("notify service manager: %w", err)
		}
		if ready {
			return true, nil
		}
	}
}

func (r *Relay) send(text string) error {
	for {
		err := unix.Sendto(r.out, []byte(text), unix.MSG_NOSIGNAL, r.host)
		if err != unix.EINTR {
			return err
		}
	}
}

// own tells whether a variable is one by which a program tells its own state (sd_notify(3)). Others give orders to the
// manager (MAINPID, NOTIFYACCESS), come with descriptors (FDSTORE, BARRIER), or are not known yet.
func own(variable string) bool {
	switch variable {
	case "READY", "RELOADING", "STOPPING", "MONOTONIC_USEC", "STATUS", "ERRNO", "BUSERROR", "VARLINKERROR", "EXIT_STATUS",
		"WATCHDOG", "WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC":
		return true
	}
	return strings.HasPrefix(variable, "X_")
}

// filter leaves of a message what may pass, and tells whether it says that the program is ready.
func filter(message string) (lines []string, ready bool) {
	for line := range strings.SplitSeq(message, "\n") {
		variable, _, ok := strings.Cut(line, "=")
		if !ok || !own(variable) || strings.ContainsRune(line, 0) {
			continue
		}
		ready = ready || line == "READY=1"
		lines = append(lines, line)
	}
	return lines, ready
}
