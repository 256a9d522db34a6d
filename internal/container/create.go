package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/netdev"
	"mydocker/internal/rawfile"
	"mydocker/internal/rdt"
	"mydocker/internal/sealed"
	"mydocker/internal/seqpacket"
	"mydocker/internal/signals"
	"mydocker/internal/spawn"
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

	ns        *namespaces
	options   *libinit.Options
	plan      libinit.Plan
	cg        *cgroups.Cgroup
	rdt       *rdt.Group
	preserved []*os.File
	conn      *seqpacket.Conn
	init      *spawn.Process
	idmaps    idmaps
	hooked    bool // hooks of the runtime have begun
	netdevs   *netdev.Moved
}

// create makes the container, locked until it returns. console takes the terminal; nil sends it to the console socket.
func (s *Store) create(catcher *signals.Catcher, o *CreateOptions, console func(*os.File) error) (*Container, error) {
	b := &creation{catcher: catcher, opts: o, spec: o.Spec, console: console, idmaps: idmaps{}}
	if b.console == nil {
		b.console = b.sendConsole
	}
	if err := b.prepare(s); err != nil {
		return nil, err
	}
	defer b.ns.close()
	c, err := s.reserve(o.ID)
	if err != nil {
		return nil, err
	}
	defer c.unlock()
	b.Container = c
	if err := b.make(); err != nil {
		b.undo()
		_ = c.Close()
		return nil, err
	}
	if b.netdevs != nil {
		b.netdevs.Close()
	}
	c.child = b.init
	return c, nil
}

// prepare does what leaves no trace: all errors of the configuration surface here.
func (b *creation) prepare(s *Store) (err error) {
	if err := CheckID(b.opts.ID); err != nil {
		return err
	}
	if b.preserved, err = preservedFiles(b.opts.PreserveFDs); err != nil {
		return err
	}
	if b.ns, err = openNamespaces(b.spec); err != nil {
		return err
	}
	privileged := RootOfHost()
	b.cg, err = cgroups.New(b.spec, s.cgroupOptions(b.opts.ID, b.spec, privileged))
	if err != nil {
		b.ns.close()
		return err
	}
	b.options = b.planOptions(s, privileged)
	if b.plan, err = libinit.NewPlan(b.spec, b.options); err != nil {
		b.ns.close()
	}
	return err
}

// make makes the container: from the state directory to an init that waits for start.
func (b *creation) make() error {
	if err := b.begin(); err != nil {
		return err
	}
	if err := b.cg.Make(); err != nil {
		// What is there is not the container's: undo must not touch it.
		b.rec.Cgroup = nil
		return err
	}
	if err := b.makeRDT(); err != nil {
		return err
	}
	if err := b.makeNotifyDir(); err != nil {
		return err
	}
	gate, report, err := b.makeFIFOs()
	if err != nil {
		return err
	}
	defer gate.Close()
	defer report.Close()
	if err := b.spawn(gate, report); err != nil {
		return err
	}
	defer b.conn.Close()
	defer b.idmaps.close()
	if err := b.conn.Send(libinit.MsgPlan, b.plan.Encode()); err != nil {
		return b.gone(err)
	}
	return b.serve()
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
		b.rec.Poststart, b.rec.Poststop = h.Poststart, h.Poststop
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
func (b *creation) makeFIFOs() (gate, report *os.File, err error) {
	if gate, err = makeFIFO(b.path(execFIFO)); err != nil {
		return nil, nil, err
	}
	if report, err = makeFIFO(b.path(reportFIFO)); err != nil {
		_ = gate.Close()
		return nil, nil, err
	}
	return gate, report, nil
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

// spawn starts init in its namespaces.
func (b *creation) spawn(gate, report *os.File) error {
	self, err := sealed.Self(b.options.UserNamespace)
	if err != nil {
		return err
	}
	defer self.Close()
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
	files := append(stdio(), b.preserved...)
	c := &spawn.Command{
		Exe: self, Args: libinit.Args(len(b.preserved), true), Env: libinit.Environ(),
		Files: append(files, theirs, gate, report),
		New:   b.ns.fresh, Joins: b.ns.joins, Privileged: !b.options.RootlessCaller,
		UserRoot: b.options.UserNamespace, Cgroup: dir, OpenFiles: openFiles, Outside: outside, TimeOffsets: timeOffsets(b.spec.Linux.TimeOffsets),
		Placed: b.placed, Mapped: b.mapped,
	}
	if b.init, err = startScored(c, b.spec.Process, b.options.RootlessCaller); err != nil {
		_ = conn.Close()
		return err
	}
	b.conn = conn
	return nil
}

// placed puts the child into its cgroups before it enters a user namespace, in which it could not be moved any more.
func (b *creation) placed(pid int) error {
	if err := b.cg.Join(pid); err != nil {
		return err
	}
	if b.rdt != nil {
		if err := b.rdt.Join(pid); err != nil {
			return err
		}
	}
	return nil
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
