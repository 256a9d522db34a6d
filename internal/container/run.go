package container

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/logs"
	"mydocker/internal/signals"
	"mydocker/internal/spawn"
	"mydocker/internal/tty"
)

// RunOptions are what run is given.
type RunOptions struct {
	CreateOptions
	Detach      bool
	Keep        bool // the container stays when its process has ended
	NoSubreaper bool
}

// Run creates and starts a container. In the foreground it waits for its end and returns its exit code.
func (s *Store) Run(o *RunOptions) (int, error) {
	terminal := o.Spec.Process != nil && o.Spec.Process.Terminal
	if err := checkConsole(terminal, o.Detach, o.ConsoleSocket); err != nil {
		return 0, err
	}
	f, err := newForeground(o.Detach, !o.NoSubreaper)
	if err != nil {
		return 0, err
	}
	defer f.close()
	o.starts = true
	c, err := s.create(f.catcher, &o.CreateOptions, f.console(terminal))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.run(f, o)
}

// run goes on with a container that is locked since it was created.
func (c *Container) run(f *foreground, o *RunOptions) (int, error) {
	locked := func(start func() error) error {
		defer c.unlock()
		return start()
	}
	if f.master != nil {
		// In the background of a shell, to set the terminal stops the command (SIGTTOU, termios(3)): not with the lock.
		c.unlock()
		locked = c.lockedCreated
	}
	if err := f.attach(); err != nil {
		return 0, errors.Join(err, c.ifThere(c.stopAndDestroy))
	}
	if !o.Detach {
		c.followOOM()
	}
	err := c.startWith(f.catcher, locked)
	c.self.Close() // while the program runs
	var failed *StartError
	switch {
	case errors.As(err, &failed) && !o.Detach:
		// Init has said why on the program's own stderr, and its exit code is the program's.
		logs.Told(failed, "run")
	case err != nil:
		return 0, errors.Join(err, c.ifThere(c.stopAndDestroy))
	case o.Detach:
		if err := c.awaitReady(f.catcher); err != nil {
			return 0, errors.Join(err, c.ifThere(c.stopAndDestroy))
		}
		return 0, nil
	}
	defer c.relayNotify()()
	log := c.store.Trace
	start := log.Now()
	status, err := f.wait(c.child)
	if err != nil {
		return 0, err
	}
	log.Done("wait for the program's end", start)
	err = c.sawEnd(status, o.Keep)
	c.suspectRlimit(status, o.Spec.Process)
	if !o.Keep {
		start = log.Now()
		err = c.ifThere(func() error { return c.destroy(true) })
		log.Done("delete", start)
	}
	return signals.ExitCode(status), err
}

// ifThere does what is left to do with a container that another command may have deleted meanwhile.
func (c *Container) ifThere(f func() error) error {
	if err := c.locked(f); !errors.Is(err, ErrNotExist) {
		return err
	}
	return nil
}

// checkConsole tells whether a terminal has somebody to take it.
func checkConsole(terminal, detach bool, socket string) error {
	switch {
	case terminal && detach && socket == "":
		return fault.Hint(fault.New(fault.Console, "process.terminal", errNoConsoleSocket),
			"give --console-socket, or set process.terminal to false")
	case socket != "" && !(terminal && detach):
		return fault.New(fault.Console, "process.terminal", errNoTerminal)
	}
	return nil
}

// foreground is what stands between the caller and a process that is waited for.
type foreground struct {
	catcher  *signals.Catcher
	detach   bool
	master   *os.File
	terminal *tty.Terminal
}

// newForeground catches signals, and takes in what the process leaves behind if it is to be a subreaper.
func newForeground(detach, subreaper bool) (*foreground, error) {
	catcher, err := signals.Catch()
	if err != nil {
		return nil, err
	}
	f := &foreground{catcher: catcher, detach: detach}
	if subreaper && !detach {
		if err := signals.BecomeSubreaper(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

// console takes the master of the process's terminal, unless that goes to the console socket.
func (f *foreground) console(terminal bool) func(*os.File) error {
	if !terminal || f.detach {
		return nil
	}
	return func(master *os.File) error {
		f.master = master
		return nil
	}
}

// attach joins the terminals.
func (f *foreground) attach() (err error) {
	if f.detach {
		return nil
	}
	if f.master != nil {
		if f.terminal, err = tty.Attach(f.master); err != nil {
			return fault.New(fault.Console, "process.terminal", err)
		}
	}
	return nil
}

func (f *foreground) wait(p *spawn.Process) (unix.WaitStatus, error) {
	status, err := f.catcher.Wait(p.Pid, func(s unix.Signal) {
		if s == unix.SIGWINCH && f.terminal != nil {
			f.terminal.Resize()
			return
		}
		_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), s, nil, 0)
	})
	if f.terminal != nil {
		f.terminal.Close()
		f.terminal = nil
	}
	return status, err
}

func (f *foreground) close() {
	if f.terminal != nil {
		f.terminal.Close()
	}
	f.catcher.Stop()
}

// Exec runs a further process in the container. In the foreground it waits for its end and returns its exit code.
func (c *Container) Exec(o *ExecOptions) (int, error) {
	if err := checkConsole(o.Process.Terminal, o.Detach, o.ConsoleSocket); err != nil {
		return 0, err
	}
	f, err := newForeground(o.Detach, false)
	if err != nil {
		return 0, err
	}
	defer f.close()
	p, err := c.exec(f, o)
	if err != nil || o.Detach {
		return 0, err
	}
	status, err := f.wait(p)
	return signals.ExitCode(status), err
}
