package libinit

import (
	"fmt"
	"os"

	"mydocker/internal/fault"
	"mydocker/internal/seqpacket"
	"mydocker/internal/wire"
)

// AskHooks has the parent do what only the host can do once the namespaces are there: it applies limits, moves net devices,
// and runs the prestart and createRuntime hooks.
type AskHooks struct{}

// AskLimits has the parent apply limits, where there are no hooks to wait for: init goes on.
type AskLimits struct{}

// AwaitLimits waits for the parent's answer to AskLimits, before the first device is opened: while cgroup v1 is told what is
// allowed nothing is.
type AwaitLimits struct{}

func (p *planner) askHooks() error {
	if p.hooked() {
		p.add("hooks", &AskHooks{})
	} else {
		p.add("", &AskLimits{})
	}
	return nil
}

func (p *planner) awaitLimits() error {
	if !p.hooked() {
		p.add("", &AwaitLimits{})
	}
	return nil
}

// hooked tells whether there are hooks, or other things that the host has to do before pivot_root.
func (p *planner) hooked() bool {
	return p.spec.Hooks != nil || p.spec.Linux != nil && len(p.spec.Linux.NetDevices) > 0
}

func (*AskHooks) String() string { return "wait for the runtime's hooks" }

func (*AskLimits) String() string { return "let the runtime set limits" }

func (*AwaitLimits) String() string { return "wait until the limits are set" }

// Do keeps the answer, which is the container's state, for the hooks that run inside.
func (*AskHooks) Do(e *Env) error {
	m, err := e.request(MsgHooks, nil)
	if err != nil {
		return err
	}
	e.state = m.Body
	return nil
}

// Do sends the request.
func (*AskLimits) Do(e *Env) error {
	e.asked = true
	return e.ask(MsgLimits, nil)
}

// Do receives the answer.
func (*AwaitLimits) Do(e *Env) error {
	e.asked = false
	_, err := e.answer()
	return err
}

// AskReady tells the parent that nothing is left but to drop privileges: it sets the limits that could stop init on
// its way, and writes the state file. Init does not go on before that: nobody would find it if the parent died.
type AskReady struct{}

func (*AskReady) String() string { return "wait for limits" }

// Do waits for the parent's answer.
func (*AskReady) Do(e *Env) error {
	_, err := e.request(MsgReady, nil)
	return err
}

// request asks the parent for something and waits for the answer.
func (e *Env) request(kind byte, body []byte, files ...*os.File) (*seqpacket.Message, error) {
	if err := e.ask(kind, body, files...); err != nil {
		return nil, err
	}
	return e.answer()
}

func (e *Env) ask(kind byte, body []byte, files ...*os.File) error {
	if err := e.Conn.Send(kind, body, files...); err != nil {
		return fmt.Errorf("ask the parent: %w", err)
	}
	return nil
}

func (e *Env) answer() (*seqpacket.Message, error) {
	m, err := e.Conn.Receive()
	if err != nil {
		return nil, fmt.Errorf("wait for the parent: %w", err)
	}
	switch m.Kind {
	case MsgDone:
		return m, nil
	case MsgFailure:
		m.Close()
		var f Failure
		if err := wire.Unmarshal(m.Body, &f); err != nil {
			return nil, fault.New(fault.Internal, "", err)
		}
		return nil, f.Error()
	}
	m.Close()
	return nil, fault.New(fault.Internal, "", fmt.Errorf("answer of unknown kind %d", m.Kind))
}

// warn writes a warning to the parent's log. The container runs nevertheless.
func (e *Env) warn(format string, a ...any) error {
	return e.log("warning", fmt.Sprintf(format, a...))
}

func (e *Env) log(level, text string) error {
	return e.send(&Log{Level: level, Text: text})
}

func (e *Env) send(l *Log) error {
	return e.Conn.Send(MsgLog, wire.Marshal(nil, *l))
}
