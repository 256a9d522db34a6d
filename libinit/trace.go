package libinit

import (
	"fmt"

	"mydocker/internal/seccomp"
)

// Trace has init write each further step to the parent's log, for --debug, as long as the parent is there.
type Trace struct{}

func (*Trace) String() string { return "log each step" }

// Do begins to.
func (*Trace) Do(e *Env) error {
	e.traced = true
	return nil
}

// Note does nothing: it is a line of the trace.
type Note struct{ Text string }

func (s *Note) String() string { return s.Text }

// Do does nothing.
func (*Note) Do(*Env) error { return nil }

// trace plans that the steps are logged.
func (p *planner) trace() error {
	if p.opts.Debug {
		p.add("", &Trace{})
	}
	return nil
}

// noteFilter tells the flags of seccomp(2) that a filter is loaded with. Its loading itself is not logged when it
// comes after start, or keeps init from logging.
func (p *planner) noteFilter(f *seccomp.Filter) {
	if f == nil || !p.opts.Debug {
		return
	}
	p.add("linux.seccomp.flags", &Note{fmt.Sprintf("seccomp filter flags: %d", f.LoadFlags())})
}

// announce writes a step that is about to be done to the parent's log.
func (e *Env) announce(entry *Entry) error {
	if !e.traced || e.Conn == nil {
		return nil
	}
	return e.send(&Log{Level: "debug", Text: entry.Step.String(), Field: entry.Field})
}
