package container

import (
	"bytes"
	"testing"

	"mydocker/internal/cgroups"
	"mydocker/internal/jsondoc"
)

// A state file is refused, or is read and written as the same. What it says of cgroups may be anything.
func FuzzRecord(f *testing.F) {
	f.Add(jsondoc.Encode(&record{ID: "a", Version: "1.3.0", Init: process{1, 2}, Cgroup: &cgroups.Saved{}}))
	f.Add([]byte(`{"id":"a","init":{"pid":-1,"start":18446744073709551615},"annotations":{"":""},"poststop":[{"path":"","timeout":-1}]}`))
	f.Add([]byte(`{"id":"a","created":"0000-01-01T00:00:00Z","cgroup":{"layout":7}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec, again record
		if jsondoc.Decode(b, &rec) != nil {
			return
		}
		once := jsondoc.Encode(&rec)
		if err := jsondoc.Decode(once, &again); err != nil || !bytes.Equal(jsondoc.Encode(&again), once) {
			t.Errorf("%s came back as %s, %v", once, jsondoc.Encode(&again), err)
		}
		c := &Container{rec: rec, store: &Store{Root: "/nonexistent"}}
		_ = c.cgroup()
		_ = rec.Init.Pid > 0 && rec.Init.alive()
	})
}

// The name in /proc/PID/stat is the process's own choice.
func FuzzStat(f *testing.F) {
	f.Add([]byte("1 (a) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11"), "a")
	f.Add([]byte("1 (a) Z 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11"), ") R 1 1")
	f.Add([]byte(")"), "")
	f.Add([]byte("\x00 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"), "0")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		start, state, threads, err := parseStat(b)
		if err == nil && (state == 0 || threads == "") {
			t.Errorf("%q: %d %q %q", b, start, state, threads)
		}
		whole := []byte("7 (" + name + ") S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 99 10 11")
		if start, state, threads, err := parseStat(whole); err != nil || start != 99 || state != 'S' || threads != "3" {
			t.Errorf("%q: %d %q %q %v", whole, start, state, threads, err)
		}
	})
}
