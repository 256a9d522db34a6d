// Package signals catches the signals of a command: those that mean an end while it makes a container, all that can
// be forwarded while it stands for a process in the foreground.
//
// It does without os/signal, whose registration of some fifty signals is as many round trips between two threads,
// and which keeps a thread for itself. A handler of a few instructions writes the signal's number to a pipe, and who
// waits for a process or for init polls the pipe too.
package signals

import (
	"context"
	"errors"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Catcher has the signals of this process. There is one at a time.
type Catcher struct {
	read, write int
	taken       []unix.Signal // caught and not yet asked for
	ignored     []unix.Signal
}

// Ignored are the signals that the caller has set to be ignored. A program inherits that, and a shell then cannot even
// trap them: a container's is to begin like any other.
func (c *Catcher) Ignored() []unix.Signal {
	if c == nil {
		return nil
	}
	return c.ignored
}

// ErrAborted says that the command was told to end.
var ErrAborted error = &fault.Error{Code: fault.Interrupted, Err: errors.New("interrupted by a signal")}

// handlerFD is the descriptor that the handler writes to.
var handlerFD uintptr //nolint:unused // by the handler, in assembly

// handler is the address of the signal handler, restorer that of what the kernel has it return to.
func handler() uintptr
func restorer() uintptr

// sigaction is struct sigaction of the kernel.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// Flags of a handler, sigaction(2). The stack is Go's own for signals.
const (
	onStack     = 0x08000000
	restart     = 0x10000000
	hasRestorer = 0x04000000
)

// Catch begins to catch every signal that can be forwarded, and SIGCHLD.
func Catch() (*Catcher, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	c := &Catcher{read: p[0], write: p[1]}
	handlerFD = uintptr(c.write)
	action := sigaction{handler: handler(), flags: onStack | restart | hasRestorer, restorer: restorer()}
	for s := unix.Signal(1); s <= last; s++ {
		var old sigaction
		if !caught(s) {
			continue
		}
		set(s, &action, &old)
		// What the caller has set to be ignored stays so for the command (nohup(1)).
		if old.handler == ignored {
			set(s, &old, nil)
			c.ignored = append(c.ignored, s)
		}
	}
	return c, nil
}

// ignored is SIG_IGN.
const ignored = 1

// last is the highest signal.
const last = 64

func set(s unix.Signal, action, old *sigaction) {
	const setSize = 8
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(old)), setSize, 0, 0)
}

// caught tells whether a signal is caught: not those that nobody can catch, those about this process's terminal and
// descriptors, which job control and the writers handle, and those that its own faults and its runtime raise.
func caught(s unix.Signal) bool {
	switch s {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGPIPE, unix.SIGURG, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE,
		unix.SIGILL, unix.SIGSYS, unix.SIGTRAP, unix.SIGPROF, unix.SIGTTIN, unix.SIGTTOU,
		32, 33: // those of a C library's threads
		return false
	}
	return true
}

// Stop gives those signals back their defaults that ask a command to end. The others are lost: it is about to end.
func (c *Catcher) Stop() {
	for s := unix.Signal(1); s <= last; s++ {
		if ends(s) {
			set(s, &sigaction{}, nil)
		}
	}
	handlerFD = ^uintptr(0)
	_ = unix.Close(c.read)
	_ = unix.Close(c.write)
}

// take reads what the handler has written.
func (c *Catcher) take() {
	var b [64]byte
	for {
		n, err := unix.Read(c.read, b[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		for _, s := range b[:n] {
			c.taken = append(c.taken, unix.Signal(s))
		}
	}
}

// ends tells whether a signal asks a command to end.
func ends(s unix.Signal) bool {
	return s == unix.SIGINT || s == unix.SIGTERM || s == unix.SIGHUP || s == unix.SIGQUIT
}

// Await waits until the descriptor can be read, or is at its end. It returns ErrAborted when a signal asks the
// command to end; a nil Catcher has none.
func (c *Catcher) Await(fd int) error {
	_, err := c.AwaitEither(fd, -1)
	return err
}

// AwaitEither waits as Await does, for one of two descriptors, and tells whether it is the first.
func (c *Catcher) AwaitEither(first, second int) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(first), Events: unix.POLLIN}, {Fd: int32(second), Events: unix.POLLIN}, {Fd: -1}}
	if c != nil {
		fds[2] = unix.PollFd{Fd: int32(c.read), Events: unix.POLLIN}
	}
	for {
		if c.aborted() {
			return false, ErrAborted
		}
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, os.NewSyscallError("poll", err)
		case fds[2].Revents != 0:
			c.take()
		default:
			return fds[0].Revents != 0, nil
		}
	}
}

// aborted tells whether a signal that was caught asks the command to end.
func (c *Catcher) aborted() bool { return c != nil && slices.ContainsFunc(c.taken, ends) }

// Again forgets the signals that have asked the command to end: it is ended by a further one.
func (c *Catcher) Again() { c.taken = slices.DeleteFunc(c.taken, ends) }

// Context is a context that ends when a signal asks the command to end, for work that goes on in other goroutines.
// stop ends the watch.
func (c *Catcher) Context() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		cancel(err)
		return ctx, func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c.Await(p[0]) != nil {
			cancel(ErrAborted)
		}
	}()
	return ctx, func() {
		_ = unix.Close(p[1])
		<-done
		_ = unix.Close(p[0])
		cancel(context.Canceled)
	}
}

// Wait waits for a child, whose pidfd is given too, and returns how it has ended. Other signals go to forward.
// Children that this process gets meanwhile, as a subreaper does, are waited for too, so that none stays a zombie.
func (c *Catcher) Wait(pid int, forward func(unix.Signal)) (unix.WaitStatus, error) {
	for {
		// Those that came while the process was made, too.
		c.Forward(forward)
		for {
			var status unix.WaitStatus
			got, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return status, os.NewSyscallError("wait4", err)
			}
			if got == pid {
				return status, nil
			}
			if got <= 0 {
				break
			}
		}
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(c.read), Events: unix.POLLIN}}, -1); err != nil && err != unix.EINTR {
			return 0, os.NewSyscallError("poll", err)
		}
	}
}

// Forward gives the signals that have been caught to forward.
func (c *Catcher) Forward(forward func(unix.Signal)) {
	c.take()
	for _, s := range c.taken {
		if s != unix.SIGCHLD {
			forward(s)
		}
	}
	c.taken = c.taken[:0]
}

// ExitCode is the code of a shell for how a process has ended: its own, or 128 and the number of the signal.
func ExitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// BecomeSubreaper makes this process the parent of its descendants whose own has ended (PR_SET_CHILD_SUBREAPER).
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}
