package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/fault"
	"mydocker/internal/jsondoc"
	"mydocker/internal/netdev"
	"mydocker/internal/progress"
	"mydocker/internal/scm"
	"mydocker/internal/seqpacket"
	"mydocker/internal/signals"
	"mydocker/internal/wire"
	"mydocker/libinit"
)

// serve answers the requests of init until it closes the socket, which means "created".
func (b *creation) serve() error {
	ready := false
	for {
		m, err := receive(b.catcher, b.conn)
		switch {
		case errors.Is(err, io.EOF) && ready:
			return b.do(finishSteps[:])
		case errors.Is(err, signals.ErrAborted):
			return err
		case err != nil:
			return b.gone(err)
		}
		switch m.Kind {
		case libinit.MsgReady:
			ready = true
			err = b.answer(nil, b.ready)
		case libinit.MsgLimits:
			err = b.answer(nil, func() ([]byte, error) { return nil, b.do(limitSteps[:]) })
		case libinit.MsgHooks:
			err = b.answer(nil, b.runHooks)
		default:
			err = b.request(m)
		}
		if err != nil {
			return err
		}
	}
}

// receive waits for a message of init, or for a signal to the command.
func receive(catcher *signals.Catcher, conn *seqpacket.Conn) (*message, error) {
	if err := catcher.Await(conn.Fd()); err != nil {
		return nil, err
	}
	return conn.Receive()
}

// request meets the requests that carry data.
func (b *creation) request(m *message) error {
	switch m.Kind {
	case libinit.MsgSource:
		return b.sendSource(m.Body)
	case libinit.MsgFailure:
		return fmt.Errorf("unable to start container process: error during container init: %w", failure(m.Body))
	case libinit.MsgIDMap:
		return b.mapIDs(m)
	case libinit.MsgSpans:
		return takeSpans(b.trace, m.Body, b.init.Pid, b.spawned)
	case libinit.MsgConsole:
		return b.answer(m, func() ([]byte, error) { return nil, takeFile(m, b.console) })
	case libinit.MsgListener:
		return b.answer(m, func() ([]byte, error) { return nil, takeFile(m, b.sendListener) })
	}
	return common(m)
}

// common handles the messages that create and exec share.
func common(m *message) error {
	switch m.Kind {
	case libinit.MsgLog:
		return logLine(m.Body)
	case libinit.MsgFailure:
		return fmt.Errorf("unable to start container process: %w", failure(m.Body))
	}
	m.Close()
	return fault.New(fault.Internal, "", fmt.Errorf("message of unknown kind %d from init", m.Kind))
}

// failure is the error that init reports.
func failure(body []byte) error {
	var f libinit.Failure
	if err := wire.Unmarshal(body, &f); err != nil {
		return fault.New(fault.Internal, "", err)
	}
	return f.Error()
}

func logLine(body []byte) error {
	var l libinit.Log
	if err := wire.Unmarshal(body, &l); err != nil {
		return fault.New(fault.Internal, "", err)
	}
	level, err := logrus.ParseLevel(l.Level)
	if err != nil {
		return fault.New(fault.Internal, "", err)
	}
	entry := logrus.NewEntry(logrus.StandardLogger())
	if l.Field != "" {
		entry = entry.WithField("field", l.Field)
	}
	entry.Log(level, l.Text)
	return nil
}

// answer meets a request and tells init that it is met. When it cannot be met, the creation ends with that error:
// init is not asked for its opinion.
func (b *creation) answer(m *message, meet func() ([]byte, error)) error {
	body, err := meet()
	if m != nil {
		m.Close()
	}
	if err != nil {
		return err
	}
	if err := b.conn.Send(libinit.MsgDone, body); err != nil {
		return b.gone(err)
	}
	return nil
}

func takeFile(m *message, use func(*os.File) error) error {
	f, err := m.File()
	if err != nil {
		return err
	}
	return use(f)
}

// sendSource opens the source of a mount for init, which may not see it from inside. Of a failure init is told: it
// knows what the source is for.
func (b *creation) sendSource(body []byte) error {
	var want libinit.Source
	if err := wire.Unmarshal(body, &want); err != nil {
		return fault.New(fault.Internal, "", errors.New("source: malformed request"))
	}
	f, err := b.source(want.Mount)
	if err != nil {
		return b.tell(err)
	}
	defer f.Close()
	return b.tell(nil, f)
}

// tell answers a request of init, for which a failure is init's to explain.
func (b *creation) tell(err error, files ...*os.File) error {
	if err != nil {
		err = b.conn.Send(libinit.MsgFailure, wire.Marshal(nil, libinit.AsFailure(err)))
	} else {
		err = b.conn.Send(libinit.MsgDone, nil, files...)
	}
	if err != nil {
		return b.gone(err)
	}
	return nil
}

// mapIDs maps the ids of a mount that init has cloned inside.
func (b *creation) mapIDs(m *message) error {
	defer m.Close()
	var want libinit.Source
	if err := wire.Unmarshal(m.Body, &want); err != nil || !libinit.NeedsIDMap(b.spec, want.Mount) {
		return fault.New(fault.Internal, "", errors.New("id map: malformed request"))
	}
	idmap, err := b.idmap(want.Mount)
	if err != nil {
		return b.tell(err)
	}
	f, err := m.File()
	if err != nil {
		return err
	}
	return b.tell(libinit.MapIDs(b.spec, want.Mount, f, idmap))
}

func (b *creation) source(mount int) (*os.File, error) {
	if mount == libinit.NotifySource && b.options.NotifyDir != "" {
		return libinit.OpenDir(b.options.NotifyDir)
	}
	idmap, err := b.idmap(mount)
	if err != nil {
		return nil, err
	}
	return libinit.OpenSource(b.spec, mount, b.opts.Bundle, idmap)
}

// runHooks does what is to be done between namespaces and pivot_root. The answer is the state for the hooks inside.
func (b *creation) runHooks() ([]byte, error) {
	if err := b.do(limitSteps[:]); err != nil {
		return nil, err
	}
	if err := b.do(hookSteps[:]); err != nil {
		return nil, err
	}
	if b.spec.Hooks != nil {
		// Init runs these next, and then says that it is ready.
		b.hooksDone = b.announce("createContainer", b.spec.Hooks.CreateContainer)
	}
	return jsondoc.Encode(b.creating()), nil
}

// creating is the state as the hooks get it.
func (b *creation) creating() *specs.State { return b.specState(specs.StateCreating, b.init.Pid) }

func (b *creation) setLimits() error { return b.cg.Set() }

func (b *creation) moveNetDevices() (err error) {
	if devices := b.spec.Linux.NetDevices; len(devices) > 0 {
		b.netdevs, err = netdev.Move(b.init.Pid, devices)
	}
	return err
}

func (b *creation) runPrestart() error {
	if b.spec.Hooks == nil {
		return nil
	}
	return b.runHooksOf("prestart", b.spec.Hooks.Prestart, b.creating()) //nolint:staticcheck // deprecated, not gone
}

func (b *creation) runCreateRuntime() error {
	if b.spec.Hooks == nil {
		return nil
	}
	return b.runHooksOf("createRuntime", b.spec.Hooks.CreateRuntime, b.creating())
}

// runHooksOf runs hooks in the runtime's namespaces.
func (b *creation) runHooksOf(kind string, list []specs.Hook, state *specs.State) error {
	b.hooked = true
	if len(list) == 0 {
		return nil
	}
	defer b.announce(kind, list)()
	defer progress.Start(func() string { return "container " + b.rec.ID + ": waiting for its " + kind + " hooks" })()
	ctx, stop := b.catcher.Context()
	defer stop()
	return b.hookPlace().Run(ctx, list, kind, state)
}

// ready does what has to wait until init has made its threads and its memory.
func (b *creation) ready() ([]byte, error) { return nil, b.do(readySteps[:]) }

func (b *creation) joinLate() error { return b.cg.JoinLate(b.init.Pid) }

func (b *creation) setRlimits() error { return setRlimits(b.init.Pid, b.spec.Process) }

func (b *creation) writeReady() (err error) {
	if b.rec.Init, err = identify(b.init.Pid); err != nil {
		return err
	}
	b.rec.Cgroup = b.cg.Saved()
	b.rec.Ready = time.Now().UTC()
	if b.hooksDone != nil {
		b.hooksDone()
	}
	return b.write()
}

func (b *creation) handPidfd() error {
	if b.opts.PidfdSocket == "" {
		return nil
	}
	return sendPidfd(b.opts.PidfdSocket, b.init.Pidfd)
}

func (b *creation) writePid() error {
	if b.opts.PidFile == "" {
		return nil
	}
	return writePidFile(b.opts.PidFile, b.init.Pid)
}

// sendListener hands the seccomp listener to the agent (config-linux.md, "The Container Process State").
func (b *creation) sendListener(f *os.File) error {
	defer f.Close()
	profile := b.spec.Linux.Seccomp
	return sendListener(profile.ListenerPath, &specs.ContainerProcessState{
		Version: b.rec.Version, Fds: []string{specs.SeccompFdName}, Pid: b.init.Pid, Metadata: profile.ListenerMetadata,
		State: *b.specState(specs.StateCreating, b.init.Pid),
	}, f)
}

func sendListener(path string, state *specs.ContainerProcessState, f *os.File) error {
	if err := scm.Send(path, jsondoc.Encode(state), f); err != nil {
		return AgentError(err)
	}
	return nil
}

// AgentError is the error of a seccomp agent that does not take its listener.
func AgentError(err error) error {
	err = fault.New(fault.Seccomp, "linux.seccomp.listenerPath", fmt.Errorf("failed to connect with seccomp agent: %w", err))
	if errors.Is(err, os.ErrNotExist) {
		return fault.Hint(err, "start the agent first: it listens on this socket")
	}
	return err
}

// message is what init sends.
type message = seqpacket.Message
