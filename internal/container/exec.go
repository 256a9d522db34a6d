package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/entry"
	"mydocker/internal/fault"
	"mydocker/internal/jsondoc"
	"mydocker/internal/rawfile"
	"mydocker/internal/rdt"
	"mydocker/internal/sealed"
	"mydocker/internal/seqpacket"
	"mydocker/internal/signals"
	"mydocker/internal/spawn"
	"mydocker/libinit"
)

// ExecOptions are what exec is given.
type ExecOptions struct {
	Process       *specs.Process
	ConsoleSocket string
	PidfdSocket   string
	PidFile       string
	Detach        bool
	PreserveFDs   int
	Cgroups       []string // [controller:]path, below the container's own
	IgnorePaused  bool
}

// Spec is the container's configuration, as it was when it was created. It is read once.
func (c *Container) Spec() (*specs.Spec, error) {
	if c.spec != nil {
		return c.spec, nil
	}
	b, err := rawfile.Read(c.path(configFile))
	if err != nil {
		return nil, fault.New(fault.StateDirectory, "", err)
	}
	var spec specs.Spec
	if err := jsondoc.Decode(b, &spec); err != nil {
		return nil, fault.New(fault.StateDirectory, "", fmt.Errorf("read %s: %w", c.path(configFile), err))
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	c.spec = &spec
	return c.spec, nil
}

// execution is a further process of a container while it is made.
type execution struct {
	*Container
	*foreground
	opts *ExecOptions
	spec *specs.Spec

	privileged bool // the caller is root of the host
	preserved  []*os.File
	conn       *seqpacket.Conn
	init       *spawn.Process
	spawned    int64 // when init was executed, for the trace
	cg         *cgroups.Cgroup
}

// exec starts a further process and returns once the program runs.
func (c *Container) exec(f *foreground, o *ExecOptions) (*spawn.Process, error) {
	x := &execution{Container: c, foreground: f, opts: o, privileged: RootOfHost()}
	if err := x.check(); err != nil {
		return nil, err
	}
	var err error
	if x.spec, err = c.Spec(); err != nil {
		return nil, err
	}
	if x.preserved, err = preservedFiles(o.PreserveFDs); err != nil {
		return nil, err
	}
	x.cg = c.cgroup()
	plan, err := libinit.NewExecPlan(x.spec, o.Process, c.store.execPlanOptions(x))
	if err != nil {
		return nil, err
	}
	log := c.store.Trace
	start := log.Now()
	if err := x.spawn(); err != nil {
		return nil, err
	}
	log.Done("spawn init", start)
	defer x.conn.Close()
	defer x.self.Close()
	start = log.Now()
	if err := x.talk(plan); err != nil {
		x.free(x.init.Pid)
		x.init.Kill()
		return nil, err
	}
	log.Done("serve init", start)
	return x.init, nil
}

func (x *execution) check() error {
	status, err := x.status()
	if err != nil {
		return err
	}
	switch {
	case status == Stopped || status == Creating:
		return notRunning(status)
	case status == Paused && !x.opts.IgnorePaused:
		return x.locked(x.checkPaused)
	}
	return nil
}

// checkPaused looks again with the lock: it may be a kill of all processes that has frozen them, for a moment.
func (x *execution) checkPaused() error {
	if status, err := x.status(); err != nil || status != Paused {
		return err
	}
	return fault.New(fault.State, "", ErrPaused)
}

// notRunning is the error of exec in a container that is not there to be entered.
func notRunning(status string) error {
	return fault.New(fault.State, "", fmt.Errorf("cannot exec in a %s container: it is not running", status))
}

// spawn starts an init in the container's namespaces and cgroups.
func (x *execution) spawn() error {
	target, err := x.rec.Init.open()
	if err != nil {
		return notRunning(Stopped)
	}
	defer target.Close()
	flags := uintptr(0)
	for _, ns := range x.spec.Linux.Namespaces {
		flags |= spawn.FlagOf(ns.Type)
	}
	if x.rec.RestoredTime {
		flags |= unix.CLONE_NEWTIME
	}
	inUser := flags&unix.CLONE_NEWUSER != 0 && !sameNamespace("user", x.rec.Init.Pid)
	if !inUser {
		flags &^= unix.CLONE_NEWUSER
	}
	if x.self, err = sealed.Self(inUser); err != nil {
		return err
	}
	dir, err := x.cgroupDir()
	if err != nil {
		return err
	}
	if dir != nil {
		defer dir.Close()
	}
	conn, theirs, err := seqpacket.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	command := &spawn.Command{
		Exe: x.self.File, Args: libinit.Args(len(x.preserved), false), Env: libinit.Environ(),
		Files:   append(append(stdio(), x.preserved...), theirs),
		JoinPid: target, JoinFlags: flags, Privileged: x.privileged, UserRoot: inUser, Cgroup: dir,
		Placed: x.placed, Catcher: x.catcher, Freed: x.free,
	}
	if x.init, err = startOn(x.opts.Process, command, !x.privileged); err != nil {
		_ = conn.Close()
		if !x.rec.Init.alive() {
			return notRunning(Stopped) // it has ended meanwhile
		}
		return err
	}
	logrus.Debugf("init is process %d", x.init.Pid)
	x.conn = conn
	x.spawned = x.store.Trace.Now()
	return nil
}

// startOn starts a process on the CPUs of execCPUAffinity.initial: a child inherits them from the thread that makes it.
func startOn(p *specs.Process, command *spawn.Command, rootless bool) (*spawn.Process, error) {
	cpus, err := libinit.InitialAffinity(p)
	if err != nil {
		return nil, err
	}
	if cpus == nil {
		return startScored(command, p, rootless)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	entry.Settle()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &own) }()
	}
	if err := cpus.Do(nil); err != nil {
		return nil, fault.At("process.execCPUAffinity.initial", err)
	}
	return startScored(command, p, rootless)
}

func (x *execution) cgroupDir() (*os.File, error) {
	if x.cg == nil {
		return nil, nil
	}
	return x.cg.ExecDir(x.opts.Cgroups)
}

// free lets a process end that the container's cgroup may have frozen.
func (x *execution) free(pid int) {
	if x.cg != nil {
		x.cg.Leave(pid)
	}
}

func (x *execution) placed(pid int) error {
	if x.cg != nil {
		if err := x.cg.ExecJoin(pid, x.opts.Cgroups); err != nil {
			return err
		}
	}
	if x.rec.RDT != nil {
		if err := rdt.Load(x.rec.RDT).Join(pid); err != nil {
			return err
		}
	}
	return nil
}

// talk gives init its plan and serves it until execve closes the socket.
func (x *execution) talk(plan libinit.Plan) error {
	if err := askTrace(x.store.Trace, x.conn); err != nil {
		return x.gone(err)
	}
	if err := x.conn.Send(libinit.MsgPlan, plan.Encode()); err != nil {
		return x.gone(err)
	}
	x.self.Detach() // while init is at work
	ready := false
	for {
		m, err := receive(x.catcher, x.conn)
		switch {
		case errors.Is(err, io.EOF) && ready:
			return x.finish()
		case errors.Is(err, signals.ErrAborted):
			return err
		case err != nil:
			return x.gone(err)
		}
		switch m.Kind {
		case libinit.MsgReady:
			ready = true
			err = x.ready()
		case libinit.MsgSpans:
			if err := takeSpans(x.store.Trace, m.Body, x.init.Pid, x.spawned); err != nil {
				return err
			}
			continue
		case libinit.MsgConsole:
			err = takeFile(m, x.takeConsole)
		case libinit.MsgListener:
			err = takeFile(m, x.sendListener)
		default:
			if err = common(m); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if err := x.conn.Send(libinit.MsgDone, nil); err != nil {
			return x.gone(err)
		}
	}
}

func (x *execution) gone(err error) error {
	how := err.Error()
	if status, ok := x.init.Ended(); ok {
		how = status
	}
	return fault.New(fault.Process, "", fmt.Errorf("init of exec ended early: %s", how))
}

func (x *execution) ready() error {
	if x.cg != nil {
		if err := x.cg.ExecJoinLate(x.init.Pid, x.opts.Cgroups); err != nil {
			return err
		}
	}
	if err := setRlimits(x.init.Pid, x.opts.Process); err != nil {
		return err
	}
	// The program finds the terminal as large as the caller's.
	return x.attach()
}

func (x *execution) finish() error {
	if x.opts.PidfdSocket != "" {
		if err := sendPidfd(x.opts.PidfdSocket, x.init.Pidfd); err != nil {
			return err
		}
	}
	if x.opts.PidFile != "" {
		return writePidFile(x.opts.PidFile, x.init.Pid)
	}
	return nil
}

func (x *execution) takeConsole(master *os.File) error {
	if take := x.console(x.opts.Process.Terminal); take != nil {
		return take(master)
	}
	defer master.Close()
	return sendConsole(x.opts.ConsoleSocket, master)
}

func (x *execution) sendListener(f *os.File) error {
	defer f.Close()
	profile := x.spec.Linux.Seccomp
	return sendListener(profile.ListenerPath, &specs.ContainerProcessState{
		Version: x.rec.Version, Fds: []string{specs.SeccompFdName}, Pid: x.init.Pid, Metadata: profile.ListenerMetadata,
		State: *x.specState(specs.StateRunning, x.rec.Init.Pid),
	}, f)
}
