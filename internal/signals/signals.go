// Package signals catches the signals of a command that runs in the foreground, first to end what it is making, then
// to forward them to the process that it stands for.
package signals

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// Catcher has the signals of this process.
type Catcher struct {
	ch     chan os.Signal
	cancel context.CancelFunc
	mu     sync.Mutex
	target func(unix.Signal)
}

// Catch begins to catch every signal that can be forwarded. Until Forward the first of those that mean an end ends
// the context.
func Catch() (context.Context, *Catcher) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Catcher{ch: make(chan os.Signal, 64), cancel: cancel}
	signal.Notify(c.ch, forwarded()...)
	go func() {
		for s := range c.ch {
			c.handle(s.(unix.Signal))
		}
	}()
	return ctx, c
}

// forwarded are all signals but those that nobody can catch, those about this process's own children, descriptors
// and terminal, and those that its own faults and its runtime raise.
func forwarded() []os.Signal {
	own := map[unix.Signal]bool{
		unix.SIGKILL: true, unix.SIGSTOP: true, unix.SIGCHLD: true, unix.SIGPIPE: true, unix.SIGURG: true,
		unix.SIGWINCH: true, unix.SIGSEGV: true, unix.SIGBUS: true, unix.SIGFPE: true, unix.SIGILL: true,
		unix.SIGSYS: true, unix.SIGTRAP: true, unix.SIGPROF: true,
		// Job control stops and continues the command itself.
		unix.SIGTTIN: true, unix.SIGTTOU: true,
		32: true, 33: true, // the threads of a C library
	}
	var all []os.Signal
	for s := unix.Signal(1); s <= 64; s++ {
		if !own[s] {
			all = append(all, s)
		}
	}
	return all
}

func (c *Catcher) handle(s unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.target != nil:
		c.target(s)
	case s == unix.SIGINT || s == unix.SIGTERM || s == unix.SIGHUP || s == unix.SIGQUIT:
		c.cancel()
	}
}

// Forward sends every signal from now on to target.
func (c *Catcher) Forward(target func(unix.Signal)) {
	c.mu.Lock()
	c.target = target
	c.mu.Unlock()
}

// Stop gives the signals back their defaults.
func (c *Catcher) Stop() {
	signal.Stop(c.ch)
	close(c.ch)
	c.cancel()
}

// Wait waits for a child and returns how it has ended. Others that become this process's children meanwhile, as a
// subreaper's do, are waited for too, so that none stays a zombie.
func Wait(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return status, os.NewSyscallError("wait4", err)
		case got == pid:
			return status, nil
		}
	}
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
