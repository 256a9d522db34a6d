package container

import (
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/criu"
	"mydocker/internal/fault"
	"mydocker/internal/notify"
	"mydocker/internal/signals"
	"mydocker/internal/spawn"
)

// RestoreOptions are what restore is given.
type RestoreOptions struct {
	RunOptions
	CRIU criu.Options
}

// stageDir is where criu, and nobody else, sees the root filesystem.
const stageDir = "criu-root"

// Restore makes a container of a bundle with the processes of image files. In the foreground it waits for its end and
// returns its exit code.
func (s *Store) Restore(o *RestoreOptions) (int, error) {
	terminal := o.Spec.Process != nil && o.Spec.Process.Terminal
	if err := checkConsole(terminal, o.Detach, o.ConsoleSocket); err != nil {
		return 0, err
	}
	if err := criuAllowed(); err != nil {
		return 0, err
	}
	if err := o.CRIU.Check(); err != nil {
		return 0, err
	}
	f, err := newForeground(o.Detach, !o.NoSubreaper)
	if err != nil {
		return 0, err
	}
	defer f.close()
	c, err := s.restore(f, o)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.attend(f, o)
}

// restore makes the container, locked until it returns.
func (s *Store) restore(f *foreground, o *RestoreOptions) (*Container, error) {
	r := &restoration{criu: &o.CRIU}
	r.creation = creation{catcher: f.catcher, opts: &o.CreateOptions, spec: o.Spec, console: f.console(o.Spec.Process != nil && o.Spec.Process.Terminal), idmaps: idmaps{}}
	if r.console == nil {
		r.console = r.sendConsole
	}
	if err := r.prepare(s, RootOfHost(), openNamespace); err != nil {
		return nil, err
	}
	defer r.ns.close()
	c, err := s.reserve(o.ID)
	if err != nil {
		return nil, err
	}
	defer c.unlock()
	r.Container = c
	if err := r.restore(); err != nil {
		r.undo()
		_ = c.Close()
		return nil, err
	}
	c.child = r.init
	return c, nil
}

// restoration is a container while it is restored.
type restoration struct {
	creation
	criu *criu.Options
}

// restore makes the container: from the state directory to the processes that run.
func (r *restoration) restore() error {
	if err := checkpointable(r.spec); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.cg.Make(); err != nil {
		// What is there is not the container's: undo must not touch it.
		r.rec.Cgroup = nil
		return err
	}
	if err := r.makeRDT(); err != nil {
		return err
	}
	host := r.criuHost(r.cg, r.spec)
	host.Await = r.catcher.AwaitEither
	host.Notify, host.NotifyAt = r.path(notifyDir), notify.Dir
	for _, dir := range []string{r.path(stageDir), r.path(notifyDir)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fault.New(fault.StateDirectory, "", err)
		}
	}
	err := r.criu.Restore(r.path(stageDir), r.spec, host, &criu.Events{
		Placed: r.criuPlaced, Namespaces: r.spawned, Restored: r.restored, Console: r.console,
	})
	if err != nil {
		return r.cg.Explain(err)
	}
	if r.init == nil {
		return fault.New(fault.CRIU, "", errors.New("criu has not told which process is the container's init"))
	}
	if err := r.writeRestored(); err != nil {
		return err
	}
	return r.do(finishSteps[:])
}

// criuPlaced puts criu where its children have to be: it moves them to their cgroups itself, but for those that it
// does not know, and systemd makes no scope without a process.
func (r *restoration) criuPlaced(pid int) error {
	if r.rdt != nil {
		if err := r.rdt.Join(pid); err != nil {
			return err
		}
	}
	if r.criu.IgnoreCgroups() || r.store.Systemd {
		return r.cg.Enter(pid)
	}
	return nil
}

// spawned keeps hold of init from its beginning, for undo: a criu that does not clean up leaves it.
func (r *restoration) spawned(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fault.New(fault.Process, "", os.NewSyscallError("pidfd_open", err))
	}
	r.init = &spawn.Process{Pid: pid, Pidfd: os.NewFile(uintptr(pidfd), "pidfd")}
	return r.runHooks(pid)
}

// runHooks runs the hooks that set up the namespaces. Those of the inside have been run when the container was made.
func (r *restoration) runHooks(pid int) error {
	h := r.spec.Hooks
	if h == nil {
		return nil
	}
	state := r.specState(specs.StateCreating, pid)
	if err := r.runHooksOf("prestart", h.Prestart, state); err != nil { //nolint:staticcheck // deprecated, not gone
		return err
	}
	return r.runHooksOf("createRuntime", h.CreateRuntime, state)
}

// restored applies the limits while no process runs yet. The state names the cgroup, by which a delete finds what a
// killed restore leaves.
func (r *restoration) restored(pid int) error {
	if err := r.cg.Adopt(pid); err != nil {
		return err
	}
	r.rec.Cgroup = r.cg.Saved()
	r.rec.RestoredTime = !r.ns.has(unix.CLONE_NEWTIME) && !sameNamespace("time", pid)
	return r.write()
}

// writeRestored names init in the state. Before, criu still traces it: a signal that somebody sent it would end the
// restore. One that has ended by now was alive when criu let it go: its pid is kept for its parent, the caller.
func (r *restoration) writeRestored() (err error) {
	if r.rec.Init, err = identify(r.init.Pid); err != nil {
		return err
	}
	return r.write()
}

// attend runs the poststart hooks, and in the foreground waits for the end.
func (c *Container) attend(f *foreground, o *RestoreOptions) (int, error) {
	if err := f.attach(); err != nil {
		return 0, errors.Join(err, c.locked(c.stopAndDestroy))
	}
	if err := c.runPoststart(f.catcher, c.announce("poststart", c.rec.Poststart)); err != nil {
		return 0, err
	}
	if o.Detach {
		return 0, nil
	}
	status, err := f.wait(c.child)
	if err != nil {
		return 0, err
	}
	if err := c.sawEnd(status, false); err != nil {
		return 0, err
	}
	return signals.ExitCode(status), c.ifThere(func() error { return c.destroy(true) })
}
