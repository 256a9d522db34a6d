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

// Spans is the body of MsgTrace from init.
type Spans struct{ List []Span }

// tracer collects the spans of an init that is traced. The others have none.
type tracer struct {
	Spans
	began int64
}

func (t *tracer) add(text, field string, start int64) {
	t.List = append(t.List, Span{text, field, start, trace.Clock()})
}

// traced does a step and remembers how long it took. What is done comes too late to be told once the socket is closed
// or a filter is loaded, so it is told before.
func (e *Env) traced(entry *Entry) error {
	switch entry.Step.(type) {
	case *Wait, *Filter, *Exec:
		if err := e.tellSpans(); err != nil {
			return err
		}
		return entry.Step.Do(e)
	}
	start := trace.Clock()
	err := entry.Step.Do(e)
	e.tracer.add(entry.Step.String(), entry.Field, start)
	return err
}

// tellSpans sends the spans to the parent.
func (e *Env) tellSpans() error {
	if e.tracer == nil || e.Conn == nil || len(e.tracer.List) == 0 {
		return nil
	}
	err := e.Conn.Send(MsgTrace, wire.Marshal(nil, e.tracer.Spans))
	e.tracer.List = nil
	return err
}
