package container

import (
	"mydocker/internal/fault"
	"mydocker/internal/seqpacket"
	"mydocker/internal/trace"
	"mydocker/internal/wire"
	"mydocker/libinit"
)

// askTrace has init trace itself.
func askTrace(l *trace.Log, conn *seqpacket.Conn) error {
	if l == nil {
		return nil
	}
	return conn.Send(libinit.MsgSpans, nil)
}

// takeSpans records what init has traced. spawned is when it was executed.
func takeSpans(l *trace.Log, body []byte, pid int, spawned int64) error {
	var s libinit.Spans
	if err := wire.Unmarshal(body, &s); err != nil {
		return fault.New(fault.Internal, "", err)
	}
	l.Name(pid, libinit.Name)
	for i := range s.List {
		span := &s.List[i]
		if i == 0 {
			l.Add(pid, "start Go", "", spawned, span.Start)
		}
		l.Add(pid, span.Text, span.Field, span.Start, span.End)
	}
	return nil
}
