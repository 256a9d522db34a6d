package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/bundle"
	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/netdev"
	"mydocker/internal/rawfile"
	"mydocker/internal/rdt"
	"mydocker/internal/sealed"
	"mydocker/internal/seqpacket"
	"mydocker/internal/signals"
	"mydocker/internal/spawn"
	"mydocker/internal/trace"
	"mydocker/libinit"
)

// CreateOptions are what create and run are given.
type CreateOptions struct {
	ID            string
	Spec          *specs.Spec
	Config        []byte // the document that Spec was read from: it is kept, for exec
	Bundle        string // absolute
	PidFile       string
	ConsoleSocket string
	PidfdSocket   string
	NoPivot       bool
	NoNewKeyring  bool
	PreserveFDs   int
	starts        bool // start follows at once
}

// Create makes a container whose init waits for start.
func (s *Store) Create(o *CreateOptions) error {
	if err := checkConsole(o.Spec.Process != nil && o.Spec.Process.Terminal, true, o.ConsoleSocket); err != nil {
		return err
	}
	catcher, err := signals.Catch()
	if err != nil {
		return err
	}
	defer catcher.Stop()
	c, err := s.create(catcher, o, nil)
	if err != nil {
		return err
	}
	return c.Close()
}

// creation is a container while it is made.
type creation struct {
	*Container
	catcher *signals.Catcher
	opts    *CreateOptions
	spec    *specs.Spec
	console func(*os.File) error // takes the master of the pty
	trace   *trace.Log

	ns        *namespaces
	options   *libinit.Options
	plan      libinit.Plan
	cg        *cgroups.Cgroup
	rdt       *rdt.Group
	preserved []*os.File
	gate      *os.File // the exec FIFO
	report    *os.File // the report FIFO
	conn      *seqpacket.Conn
	pid       int   // the child's, before it is init
	spawned   int64 // when init was executed, for the trace
	init      *spawn.Process
	idmaps    idmaps
	hooked    bool // hooks of the runtime have begun
	hooksDone func()
	netdevs   *netdev.Moved
}

// create makes the container, which stays locked: run starts it before another command comes in. console takes the
// terminal; nil sends it to the console socket.
func (s *Store) create(catcher *signals.Catcher, o *CreateOptions, console func(*os.File) error) (*Container, error) {
	b := &creation{catcher: catcher, opts: o, spec: o.Spec, console: console, idmaps: idmaps{}, trace: s.Trace}
	if b.console == nil {
		b.console = b.sendConsole
	}
	start := s.Trace.Now()
	if err := b.prepare(s, RootOfHost(), openNamespace); err != nil {
		return nil, fault.During(fault.Prepare, err)
	}
	s.Trace.Done("plan", start)
	defer b.ns.close()
	start = s.Trace.Now()
	c, err := s.reserve(o.ID)
	if err != nil {
		return nil, err
	}
	s.Trace.Done("make state directory", start)
	b.Container = c
	if err := b.make(); err != nil {
		b.undo()
		_ = c.Close()
		return nil, fault.During(fault.Create, err)
	}
	if b.netdevs != nil {
		b.netdevs.Close()
	}
	c.child = b.init
	return c, nil
}

// prepare does what leaves no trace: all errors of the configuration surface here.
func (b *creation) prepare(s *Store, privileged bool, open opener) (err error) {
	if err := CheckID(b.opts.ID); err != nil {
		return err
	}
	if b.preserved, err = preservedFiles(b.opts.PreserveFDs); err != nil {
		return err
	}
	if b.ns, err = openNamespaces(b.spec, open); err != nil {
		return err
	}
	b.cg, err = cgroups.New(b.spec, s.cgroupOptions(b.opts.ID, b.spec, privileged))
	if err != nil {
		b.ns.close()
		return err
	}
	b.options = b.planOptions(s, privileged)
	if b.plan, err = libinit.NewPlan(b.spec, b.options); err != nil {
		b.ns.close()
		return bundle.Misspelt(err, b.opts.Config)
	}
	return nil
}

// make makes the container: from the state directory to an init that waits for start.
func (b *creation) make() error {
	defer b.closeFiles()
	return b.do(makeSteps[:])
}

// closeFiles closes what is needed only while the container is made.
func (b *creation) closeFiles() {
	for _, f := range [...]*os.File{b.gate, b.report} {
		if f != nil {
			_ = f.Close()
		}
	}
	if b.conn != nil {
		b.conn.Close()
	}
	b.idmaps.close()
}

func (b *creation) makeCgroup() error {
	err := b.cg.Make()
	if err != nil {
		// What is there is not the container's: undo must not touch it.
		b.rec.Cgroup = nil
	}
	return err
}

func (b *creation) sendPlan() error {
	if err := askTrace(b.trace, b.conn); err != nil {
		return b.gone(err)
	}
	if err := b.conn.Send(libinit.MsgPlan, b.plan.Encode()); err != nil {
		return b.gone(err)
	}
	b.self.Detach() // while init is at work
	return nil
}

// begin writes the first state.json: it names the cgroup, so that delete -f finds what a killed create leaves.
func (b *creation) begin() error {
	creator, err := identify(os.Getpid())
	if err != nil {
		return err
	}
	b.rec = record{
		Version: b.spec.Version, ID: b.opts.ID, Bundle: b.opts.Bundle, Rootfs: rootfs(b.spec, b.opts.Bundle),
		Created: time.Now().UTC(), Annotations: b.spec.Annotations, Owner: os.Geteuid(), Creator: creator,
		Cgroup: b.cg.Saved(), SharedPid: !b.ns.has(unix.CLONE_NEWPID), NoProcess: b.spec.Process == nil,
		Notify: notifyAddress(b.spec),
	}
	if h := b.spec.Hooks; h != nil {
		b.rec.Poststart, b.rec.Poststop, b.rec.StartHooks = h.Poststart, h.Poststop, len(h.StartContainer) > 0
	}
	if err := b.write(); err != nil {
		return err
	}
	if err := rawfile.Create(b.path(configFile), b.opts.Config, 0o600); err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	return nil
}

// makeFIFOs makes the exec FIFO, which init reads, and the report FIFO, on which start hears from init. They are
// opened for reading and writing, so that neither open blocks.
func (b *creation) makeFIFOs() (err error) {
	if b.gate, err = makeFIFO(b.path(execFIFO)); err != nil {
		return err
	}
	b.report, err = makeFIFO(b.path(reportFIFO))
	return err
}

func makeFIFO(path string) (*os.File, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fault.New(fault.StateDirectory, "", fmt.Errorf("make FIFO %s: %w", path, err))
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.New(fault.StateDirectory, "", fmt.Errorf("open FIFO %s: %w", path, err))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// seal makes the copy of the binary that init is.
func (b *creation) seal() (err error) {
	b.self, err = sealed.Self(b.options.UserNamespace)
	return err
}

// spawn starts init in its namespaces.
func (b *creation) spawn() error {
	dir, err := b.cg.Dir()
	if err != nil {
		return err
	}
	if dir != nil {
		defer dir.Close()
	}
	outside, err := b.cg.Outside()
	if err != nil {
		return err
	}
	if outside != nil {
		defer outside.Close()
	}
	conn, theirs, err := seqpacket.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	c := b.command(theirs, dir, outside)
	if b.init, err = startScored(c, b.spec.Process, b.options.RootlessCaller); err != nil {
		_ = conn.Close()
		return err
	}
	logrus.Debugf("init is process %d", b.init.Pid)
	b.conn = conn
	b.spawned = b.trace.Now()
	return nil
}

// command is how init is started: theirs is its end of the socket, dir and outside are what the cgroup's methods of
// these names give.
func (b *creation) command(theirs, dir, outside *os.File) *spawn.Command {
	files := append(stdio(), b.preserved...)
	return &spawn.Command{
		Exe: b.self.File, Args: libinit.Args(len(b.preserved), true), Env: libinit.Environ(),
		Files: append(files, theirs, b.gate, b.report),
		New:   b.ns.fresh, Joins: b.ns.joins, Privileged: !b.options.RootlessCaller,
		UserRoot: b.options.UserNamespace, Cgroup: dir, Outside: outside, TimeOffsets: timeOffsets(b.spec.Linux.TimeOffsets),
		Placed: b.placed, Mapped: b.mapped, Catcher: b.catcher,
	}
}

func (b *creation) placed(pid int) error {
	b.pid = pid
	return b.do(placeSteps[:])
}

func (b *creation) joinCgroup() error { return b.cg.Join(b.pid) }

func (b *creation) joinRDT() error {
	if b.rdt == nil {
		return nil
	}
	return b.rdt.Join(b.pid)
}

func (b *creation) mapped(pid int) error {
	l := b.spec.Linux
	return spawn.WriteMaps(pid, l.UIDMappings, l.GIDMappings, !b.options.RootlessCaller)
}

// gone makes the error of a socket whose other end is not there any more.
func (b *creation) gone(err error) error {
	how := err.Error()
	if status, ok := b.init.Ended(); ok {
		how = status
	}
	return b.cg.Explain(fault.New(fault.Process, "", fmt.Errorf("init ended early: %s", how)))
}

// undo removes what a failed create has made (runtime.md: state as if never attempted). Only the poststop hooks of a
// container whose hooks have begun are run.
func (b *creation) undo() {
	if b.netdevs != nil {
		if err := b.netdevs.PutBack(); err != nil {
			logrus.Warn(err)
		}
	}
	if b.init != nil {
		b.init.Kill()
	}
	if err := b.destroy(b.hooked); err != nil {
		logrus.Warn(err)
	}
	b.cg.Undo()
}

// makeRDT makes the group of Intel RDT that the configuration asks for.
func (b *creation) makeRDT() (err error) {
	if b.spec.Linux.IntelRdt == nil {
		return nil
	}
	if b.rdt, err = rdt.Make(&rdt.Config{ID: b.opts.ID, Spec: b.spec.Linux.IntelRdt}); err != nil {
		return err
	}
	b.rec.RDT = b.rdt.Saved()
	return b.write()
}

var (
	errNoConsoleSocket = errors.New("cannot allocate tty if mydocker will detach without setting console socket")
	errNoTerminal      = errors.New("cannot use console socket if mydocker will not detach or allocate tty")
)
