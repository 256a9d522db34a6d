package libinit

import (
	"fmt"
	"os"

	"mydocker/internal/fault"
	"mydocker/internal/seqpacket"
	"mydocker/internal/wire"
)

// AskHooks has the parent do what only the host can do once the namespaces are there: it moves net devices, applies
// limits, and runs the prestart and createRuntime hooks.
type AskHooks struct{}

func (p *planner) askHooks() error {
	p.add("hooks", &AskHooks{})
	return nil
}

func (*AskHooks) String() string { return "wait for the runtime's hooks" }

// Do keeps the answer, which is the container's state, for the hooks that run inside.
func (*AskHooks) Do(e *Env) error {
	m, err := e.request(MsgHooks, nil)
	if err != nil {
		return err
	}
	e.state = m.Body
	return nil
}

// AskReady tells the parent that nothing is left but to drop privileges: it sets the limits that could stop init on
// its way, and writes the state file.
type AskReady struct{}

func (*AskReady) String() string { return "wait for limits" }

// Do waits for the parent's answer.
func (*AskReady) Do(e *Env) error {
	_, err := e.request(MsgReady, nil)
	return err
}

// request asks the parent for something and waits for the answer.
func (e *Env) request(kind byte, body []byte, files ...*os.File) (*seqpacket.Message, error) {
	if err := e.Conn.Send(kind, body, files...); err != nil {
		return nil, fmt.Errorf("ask the parent: %w", err)
	}
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
