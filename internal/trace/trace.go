// Package trace records where the time of a command goes, for --trace: the phases of the runtime and the steps of init,
// in the format of Chrome's trace viewer and of Perfetto ("Trace Event Format").
package trace

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// Log collects spans of time. A nil Log, which is what there is without --trace, collects nothing, allocates nothing and
// asks for no time.
type Log struct {
	file  *os.File
	names map[int]string // of the processes
	spans []span
}

type span struct {
	pid         int
	name, field string
	start, end  int64
}

// Open makes the file, which Close fills.
func Open(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &Log{file: f, names: map[int]string{}}, nil
}

// Clock is the time in nanoseconds. It is the clock that all processes share: the monotonic one is shifted in a time
// namespace.
func Clock() int64 { return time.Now().UnixNano() }

// Now is Clock, 0 for a nil Log.
func (l *Log) Now() int64 {
	if l == nil {
		return 0
	}
	return Clock()
}

// Done ends a span of this process that began at start.
func (l *Log) Done(name string, start int64) {
	if l != nil {
		l.Add(os.Getpid(), name, "", start, Clock())
	}
}

// Add records a span of any process; field is that of config.json.
func (l *Log) Add(pid int, name, field string, start, end int64) {
	if l != nil {
		l.spans = append(l.spans, span{pid, name, field, start, end})
	}
}

// Name names a process.
func (l *Log) Name(pid int, name string) {
	if l != nil {
		l.names[pid] = name
	}
}

// event is an event of the format. Times are in microseconds.
type event struct {
	Name  string            `json:"name"`
	Phase string            `json:"ph"`
	Time  json.Number       `json:"ts,omitempty"`
	Dur   json.Number       `json:"dur,omitempty"`
	Pid   int               `json:"pid"`
	Tid   int               `json:"tid"`
	Args  map[string]string `json:"args,omitempty"`
}

// Close writes the spans, in the order of their beginnings, one a line.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	slices.SortStableFunc(l.spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	w := bufio.NewWriter(l.file)
	separator := "[\n"
	write := func(e *event) {
		b, err := json.Marshal(e)
		if err != nil {
			panic(err) // there is nothing in it but strings and numbers
		}
		_, _ = w.WriteString(separator)
		_, _ = w.Write(b)
		separator = ",\n"
	}
	pids := make([]int, 0, len(l.names))
	for pid := range l.names {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	for _, pid := range pids {
		write(&event{Name: "process_name", Phase: "M", Pid: pid, Tid: pid, Args: map[string]string{"name": l.names[pid]}})
	}
	for i := range l.spans {
		s := &l.spans[i]
		e := &event{Name: s.name, Phase: "X", Time: micro(s.start), Dur: micro(s.end - s.start), Pid: s.pid, Tid: s.pid}
		if s.field != "" {
			e.Args = map[string]string{"field": s.field}
		}
		write(e)
	}
	_, _ = w.WriteString("\n]\n")
	err := w.Flush()
	if e := l.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

func micro(ns int64) json.Number {
	return json.Number(strconv.FormatInt(ns/1000, 10) + fmt.Sprintf(".%03d", ns%1000))
}
