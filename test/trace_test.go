package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// event is an event of Chrome's trace format, times in microseconds.
type event struct {
	Name, Ph string
	Dur      float64
	Begin    float64 `json:"ts"`
	Pid, Tid int
}

// A trace has the phases of the runtime and of init in their order, and each within the one that it is part of.
func TestTrace(t *testing.T) {
	needRoot(t)
	s := newSite(t, "payload", "true")
	file := filepath.Join(t.TempDir(), "trace.json")
	s.must("--trace", file, "run", "--bundle", s.bundle, s.id(0))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []event
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	runtime, init := all[0].Pid, all[1].Pid
	at := map[string]event{}
	last := 0.0
	for _, e := range all {
		if e.Ph == "M" {
			continue
		}
		if e.Ph != "X" || e.Begin < last || e.Dur < 0 || e.Tid != e.Pid || e.Pid != runtime && e.Pid != init {
			t.Errorf("event %+v", e)
		}
		last = e.Begin
		name, _, _ := strings.Cut(e.Name, " (")
		at[name] = e
	}
	inOrder(t, at, runtime, "read bundle", "plan", "make state directory", "make cgroup", "make FIFOs", "seal binary",
		"spawn init", "send plan", "serve init", "start", "wait for the program's end", "delete")
	// Init goes on as soon as it has the plan, whether the runtime is back from having sent it or not.
	if at["mount proc at /proc"].Begin < at["send plan"].Begin-rounding {
		t.Errorf("%+v is before %+v", at["mount proc at /proc"], at["send plan"])
	}
	inOrder(t, at, init, "start Go", "receive plan", "root filesystem "+s.bundle+"/rootfs", "mount proc at /proc",
		"let the runtime set limits", "pivot_root", "wait until the limits are set", "wait for limits", "become user 0, group 0, groups []", "execute program")
	for part, whole := range map[string]string{
		"join cgroup": "spawn init", "set limits": "serve init", "set rlimits": "serve init", "execute program": "start",
		"become user 0, group 0, groups []": "serve init",
	} {
		in, out := at[part], at[whole]
		if in.Begin < out.Begin-rounding || in.Begin+in.Dur > out.Begin+out.Dur+rounding {
			t.Errorf("%s %+v is not within %s %+v", part, in, whole, out)
		}
	}
}

// rounding is how far two sums of times may be off, in microseconds: a float64 has no digits to spare for a time since 1970.
const rounding = 1

// inOrder checks that each phase of a process begins when the one before it has ended.
func inOrder(t *testing.T, at map[string]event, pid int, names ...string) {
	t.Helper()
	end := 0.0
	for _, name := range names {
		e, ok := at[name]
		if !ok || e.Pid != pid || e.Begin < end-rounding {
			t.Errorf("%s: %+v, there %v, not before %f", name, e, ok, end)
		}
		end = e.Begin + e.Dur
	}
}
