package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/signals"
	"mydocker/internal/wire"
	"mydocker/libinit"
)

// Start lets init become the program, then runs the poststart hooks. The hooks run without the lock: delete -f must
// be able to end a container whose hook hangs.
func (c *Container) Start() error {
	if err := c.startWith(nil, c.lockedCreated); err != nil {
		return err
	}
	return c.awaitReady(nil)
}

// lockedCreated is locked for a container that waits for start.
func (c *Container) lockedCreated(start func() error) error {
	return c.locked(func() error {
		if err := c.startable(); err != nil {
			return err
		}
		return start()
	})
}

// startWith lets a signal to the command that has made the container end it. locked keeps other commands away meanwhile.
func (c *Container) startWith(catcher *signals.Catcher, locked func(func() error) error) error {
	begin := c.store.Trace.Now()
	var done func()
	err := locked(func() error {
		err := c.start(catcher)
		if err == nil {
			done = c.announce("poststart", c.rec.Poststart)
		}
		return err
	})
	if err != nil {
		return fault.During(fault.Start, err)
	}
	c.store.Trace.Done("start", begin)
	return c.runPoststart(catcher, done)
}

// runPoststart runs the poststart hooks, and done when they have ended. One that fails ends the container.
func (c *Container) runPoststart(catcher *signals.Catcher, done func()) error {
	if len(c.rec.Poststart) == 0 {
		return nil
	}
	ctx := context.Background()
	if catcher != nil {
		var stop func()
		ctx, stop = catcher.Context()
		defer stop()
	}
	state := c.specState(specs.StateRunning, c.rec.Init.Pid)
	begin := c.store.Trace.Now()
	err := c.hookPlace().Run(ctx, c.rec.Poststart, "poststart", state)
	done()
	if err != nil {
		return errors.Join(err, c.locked(c.stopAndDestroy))
	}
	c.store.Trace.Done("poststart hooks", begin)
	return nil
}

var errStopped = errors.New("cannot start a container that has stopped")

// errEndedInHook is of an init that somebody has killed before its hooks had run.
var errEndedInHook = errors.New("start container: init ended while its startContainer hooks ran")

// errNoProcess is start of a container whose config.json has no process (runtime.md, "Start").
var errNoProcess = errors.New("process property must not be empty")

// startable tells whether the container is one that was created and waits for start.
func (c *Container) startable() error {
	status, err := c.status()
	if err != nil {
		return err
	}
	switch status {
	case Created:
		return nil
	case Stopped:
		return fault.New(fault.State, "", errStopped)
	case Creating:
		return fault.New(fault.State, "", errors.New("cannot start a container that is being created"))
	case Paused:
		return fault.New(fault.State, "", errors.New("cannot start a container in the paused state"))
	}
	return fault.New(fault.State, "", errors.New("cannot start an already running container"))
}

func (c *Container) start(catcher *signals.Catcher) error {
	if c.rec.NoProcess {
		return fault.New(fault.Config, "process", errNoProcess)
	}
	if err := c.listenNotify(); err != nil {
		return err
	}
	return c.release(catcher)
}

// release opens init's gate and waits until the program runs: then the report FIFO has no writer left.
func (c *Container) release(catcher *signals.Catcher) error {
	// As an *os.File it would bring the poller of package os to life.
	report, err := unix.Open(c.path(reportFIFO), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.New(fault.StateDirectory, "", fmt.Errorf("start container: open %s: %w", c.path(reportFIFO), err))
	}
	defer unix.Close(report)
	gate, err := unix.Open(c.path(execFIFO), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENXIO && catcher == nil && c.rec.Init.alive() {
		// The start before this one was killed before it could remove the FIFO. Before run's own start, which has a catcher,
		// there was none: there, init is about to end.
		_ = os.Remove(c.path(execFIFO))
		return fault.New(fault.State, "", errors.New("cannot start an already running container"))
	}
	if err == unix.ENXIO {
		return fault.New(fault.State, "", errStopped)
	}
	if err != nil {
		return fault.New(fault.StateDirectory, "", fmt.Errorf("start container: open exec FIFO: %w", err))
	}
	if c.rec.StartHooks {
		defer c.announceHooks("startContainer")()
	}
	_, err = unix.Write(gate, libinit.StartByte())
	_ = unix.Close(gate)
	if err == unix.EPIPE {
		return fault.New(fault.State, "", errStopped)
	}
	if err != nil {
		return fault.New(fault.StateDirectory, "", fmt.Errorf("start container: write exec FIFO: %w", err))
	}
	// A second start must not find the FIFO, however this one ends.
	if err := os.Remove(c.path(execFIFO)); err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	begin := c.store.Trace.Now()
	if err := c.listen(report, catcher); err != nil {
		return err
	}
	if log := c.store.Trace; log != nil {
		log.Name(c.rec.Init.Pid, libinit.Name)
		log.Add(c.rec.Init.Pid, "execute program", "process.args", begin, log.Now())
	}
	return os.Remove(c.path(reportFIFO))
}

// listen reads what init reports: that it has begun to start, and then nothing if the program runs.
func (c *Container) listen(report int, catcher *signals.Catcher) error {
	b, err := readReport(report, catcher)
	if errors.Is(err, signals.ErrAborted) {
		return err
	}
	if err != nil {
		return fault.New(fault.Process, "", fmt.Errorf("start container: read report FIFO: %w", err))
	}
	if len(b) == 0 {
		return fault.New(fault.State, "", errStopped)
	}
	b, hooked := libinit.HooksDone(b[1:])
	switch {
	case len(b) > 0:
	case c.rec.StartHooks && !hooked:
		return fault.New(fault.Process, "hooks.startContainer", errEndedInHook)
	default:
		return nil
	}
	var f libinit.Failure
	if err := wire.Unmarshal(b, &f); err != nil {
		return fault.New(fault.Internal, "", err)
	}
	err = f.Error()
	if fault.Of(err).Code == fault.Hook {
		return errors.Join(err, c.stopAndDestroy())
	}
	return &StartError{err}
}

// StartError is why the program could not be executed. Init has told its stderr, too.
type StartError struct{ err error }

func (e *StartError) Error() string { return e.err.Error() }
func (e *StartError) Unwrap() error { return e.err }

// readReport reads until the last writer, init, has closed its end: by execve or by its own end. The descriptor is
// non-blocking, as it was opened; poll(2) waits.
func readReport(fd int, catcher *signals.Catcher) ([]byte, error) {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if err := catcher.Await(fd); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		case n == 0:
			return all, nil
		default:
			all = append(all, buf[:n]...)
			if len(all) > 1<<20 {
				return nil, io.ErrShortBuffer
			}
		}
	}
}

// stopAndDestroy ends what a failed hook leaves (runtime.md, "Lifecycle", step 12). The caller holds the lock.
func (c *Container) stopAndDestroy() error {
	if err := c.killAll(); err != nil {
		return err
	}
	return c.destroy(true)
}

// killWait is how long a killed process may take to end before the command gives up: the kernel has to write back
// and unmap what it held.
const killWait = 10 * time.Second
