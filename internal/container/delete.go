package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/bundle"
	"mydocker/internal/cgroups"
	"mydocker/internal/entry"
	"mydocker/internal/fault"
	"mydocker/internal/hooks"
	"mydocker/internal/progress"
	"mydocker/internal/rawfile"
	"mydocker/internal/rdt"
)

// Delete removes a container that has stopped, or ends and removes one whose program was never started; with force it
// ends the container first, whatever its state, and an unknown ID is no error.
//
// The specification (runtime.md, Delete) wants an error of everything that is not stopped. Engines rely on what runc and
// crun do: Buildah, when it cannot go on between create and start, leaves it at delete.
func (s *Store) Delete(id string, force bool) error {
	c, err := s.Load(id)
	switch {
	case force && errors.Is(err, ErrNotExist):
		return s.sweep(id)
	case force && fault.Of(err).Code == fault.StateDirectory:
		logrus.Warn(err)
		return s.sweep(id)
	case err != nil:
		return err
	}
	defer c.Close()
	if force {
		return c.forceDelete()
	}
	err = c.locked(func() error {
		status, err := c.status()
		if err != nil {
			return err
		}
		if status == Created {
			if err := c.killAll(); err != nil {
				return err
			}
		} else if status != Stopped && !c.waitEnd() {
			return fault.Hint(fault.New(fault.State, "", fmt.Errorf("cannot delete container %s that is not stopped: %s", c.rec.ID, status)),
				"`kill` it first, or use `delete --force`")
		}
		return c.destroy(true)
	})
	return err
}

// endWait is how long delete waits for the end of a container that does not look as if it would come.
const endWait = 500 * time.Millisecond

// waitEnd serves who kills and deletes at once: an end that is under way is waited for. For an instant it shows nowhere,
// when init has taken the signal and does not exit yet, so it is looked for again after a moment.
func (c *Container) waitEnd() bool {
	wait := endWait
	if c.dying() {
		wait = killWait
	}
	return c.waitStopped(wait) || wait == endWait && c.dying() && c.waitStopped(killWait)
}

// dying tells whether a SIGKILL is on its way to init, or init is on its way out: that takes long where it has to see
// the other processes of its pid namespace off first.
func (c *Container) dying() bool {
	return !c.rec.Init.alive() || c.rec.Init.killed() || threadsExit(c.rec.Init.Pid)
}

// waitStopped waits until init has ended.
func (c *Container) waitStopped(wait time.Duration) bool {
	f, err := c.rec.Init.open()
	if err != nil {
		return true
	}
	defer f.Close()
	return c.waitGone(f, wait)
}

// waitGone is waitPidfd with a word to a person who waits, too.
func (c *Container) waitGone(f *os.File, wait time.Duration) bool {
	defer progress.Start(func() string { return "container " + c.rec.ID + ": its process is ending" })()
	for ; wait > 0; wait -= time.Second {
		// Of one that is traced the descriptor tells nothing until the tracer has waited for all threads.
		if waitPidfd(f, min(wait, time.Second)) || c.rec.Init.traced() && !c.rec.Init.alive() {
			return true
		}
	}
	return false
}

// waitPidfd waits until the process has ended; pidfd_open(2): the descriptor is readable then.
func waitPidfd(f *os.File, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		left := time.Until(deadline)
		if left < 0 {
			return false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return n > 0
		}
	}
}

// forceDelete ends the container and removes it. A create that is under way is told to stop, and does its own
// cleaning; one that does not is ended.
func (c *Container) forceDelete() error {
	if err := c.lock(0); err != nil {
		if err := c.interrupt(); err != nil {
			return err
		}
		if err := c.lock(lockWait); err != nil {
			return err
		}
	}
	defer c.unlock()
	if !c.linked() {
		return nil
	}
	// The creator may have got further than what was read before the lock.
	if err := c.read(); err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	if err := c.killAll(); err != nil {
		return err
	}
	return c.destroy(true)
}

// interrupt ends what holds the lock: a start that waits for hooks inside ends with init, a create when it is told to.
func (c *Container) interrupt() error {
	if c.linked() {
		// It may have got further than what was read before.
		_ = c.read()
	}
	if c.rec.Init.Pid != 0 {
		return c.killAll()
	}
	c.interruptCreator()
	return nil
}

// interruptCreator ends the command that is creating the container.
func (c *Container) interruptCreator() {
	if c.rec.Init.Pid != 0 {
		return
	}
	creator, err := c.rec.Creator.open()
	if err != nil {
		return
	}
	defer creator.Close()
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, 5 * time.Second}, {unix.SIGKILL, killWait}} {
		if unix.PidfdSendSignal(int(creator.Fd()), step.signal, nil, 0) != nil || waitPidfd(creator, step.wait) {
			return
		}
	}
}

// killAll ends every process of the container and waits until init is gone.
func (c *Container) killAll() error {
	if cg := c.cgroup(); cg != nil {
		if err := cg.Kill(unix.SIGKILL); err != nil {
			return err
		}
	}
	init, err := c.rec.Init.open()
	if gone(err) {
		return nil
	}
	if err != nil {
		return fault.New(fault.System, "", fmt.Errorf("open init (process %d): %w", c.rec.Init.Pid, err))
	}
	defer init.Close()
	if err := unix.PidfdSendSignal(int(init.Fd()), unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		return fault.New(fault.Permission, "", fmt.Errorf("kill init: %w", err))
	}
	if !c.waitGone(init, killWait) {
		return fault.New(fault.Timeout, "", fmt.Errorf("init (process %d) does not end", c.rec.Init.Pid))
	}
	return nil
}

// destroy removes what create has made, then runs the poststop hooks. The caller holds the lock, and init has ended.
func (c *Container) destroy(poststop bool) error {
	if cg := c.cgroup(); cg != nil {
		// What shares the host's pid namespace outlives init.
		if err := cg.Kill(unix.SIGKILL); err != nil {
			return err
		}
		if err := cg.Delete(); err != nil {
			return fault.New(fault.Cgroup, "", err)
		}
	}
	if c.rec.RDT != nil {
		if err := rdt.Load(c.rec.RDT).Delete(); err != nil {
			return err
		}
	}
	if err := c.removeDirectory(); err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	if poststop && len(c.rec.Poststop) > 0 {
		c.poststop()
	}
	return nil
}

// removeDirectory removes by name what the directory of a container that was started has. To look what is in one takes as
// many calls again, and is done for the others.
func (c *Container) removeDirectory() error {
	for _, name := range [...]string{configFile, stateFile} {
		_ = unix.Unlink(c.path(name))
	}
	if unix.Rmdir(c.path("")) == nil {
		return nil
	}
	return os.RemoveAll(c.path(""))
}

// poststop runs the poststop hooks. One that fails is a warning, and the others still run (runtime.md, step 13).
func (c *Container) poststop() {
	state := c.specState(specs.StateStopped, 0)
	place := c.hookPlace()
	for i := range c.rec.Poststop {
		if err := place.RunOne(context.Background(), c.rec.Poststop, i, "poststop", state); err != nil {
			logrus.Warn(err)
		}
	}
}

// hookPlace is where the hooks of the runtime's namespaces run: in the bundle, with the runtime's environment.
func (c *Container) hookPlace() *hooks.Place {
	return &hooks.Place{Dir: c.rec.Bundle, Env: entry.Environ(os.Environ())}
}

// sweep removes the directory of a container that has no readable state file: a create that was killed just when it
// began, or a file that was damaged. A create that is still at it keeps it.
func (s *Store) sweep(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	c := &Container{store: s, rec: record{ID: id}}
	if err := c.open(); err != nil {
		if errors.Is(err, ErrNotExist) {
			return nil
		}
		return err
	}
	defer c.Close()
	if err := c.lock(lockWait); err != nil {
		return err
	}
	defer c.unlock()
	if !c.linked() {
		return nil
	}
	switch err := c.read(); {
	case err == nil:
		if err := c.killAll(); err != nil {
			return err
		}
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM):
		return err // there is nothing wrong with the file
	case !errors.Is(err, ErrNotExist):
		c.rec.Cgroup = c.guessCgroup()
	}
	return c.destroy(false)
}

// guessCgroup finds the cgroup of a container whose state file is damaged: it is where the configuration leads to, or
// else where one without a path leads to. Its processes end with it.
func (c *Container) guessCgroup() *cgroups.Saved {
	spec := &specs.Spec{Linux: &specs.Linux{}}
	if b, err := rawfile.Read(c.path(configFile)); err == nil {
		if kept, _, err := bundle.Parse(b, "/"); err == nil && kept.Linux != nil {
			spec = kept
		}
	}
	cg, err := cgroups.New(spec, c.store.cgroupOptions(c.rec.ID, spec, RootOfHost()))
	if err != nil {
		logrus.Warn(err)
		return nil
	}
	return cg.Saved()
}
