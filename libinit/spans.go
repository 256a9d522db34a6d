package libinit

import (
	"mydocker/internal/trace"
	"mydocker/internal/wire"
)

// Span is a step of init and when it was done, in nanoseconds of trace.Clock: with --trace it crosses the socket.
type Span struct {
	Text, Field string
	Start, End  int64
}

// Spans is the body of MsgSpans from init.
type Spans struct{ List []Span }

// recorder collects the spans of an init that is traced. The others have none.
type recorder struct {
	Spans
	began int64
}

func (t *recorder) add(text, field string, start int64) {
	t.List = append(t.List, Span{text, field, start, trace.Clock()})
}

// timed does a step and remembers how long it took. What is done comes too late to be told once the socket is closed
// or a filter is loaded, so it is told before.
func (e *Env) timed(entry *Entry) error {
	switch entry.Step.(type) {
	case *Wait, *Filter, *Exec:
		if err := e.tellSpans(); err != nil {
			return err
		}
		return entry.Step.Do(e)
	}
	start := trace.Clock()
	err := entry.Step.Do(e)
	e.spans.add(entry.Step.String(), entry.Field, start)
	return err
}

// tellSpans sends the spans to the parent.
func (e *Env) tellSpans() error {
	if e.spans == nil || e.Conn == nil || len(e.spans.List) == 0 {
		return nil
	}
	err := e.Conn.Send(MsgSpans, wire.Marshal(nil, e.spans.Spans))
	e.spans.List = nil
	return err
}
