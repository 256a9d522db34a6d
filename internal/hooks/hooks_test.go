package hooks

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

func shell(script string, env ...string) specs.Hook {
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: env}
}

func seconds(n int) *int { return &n }

var state = &specs.State{Version: "1.3.0", ID: "c1", Status: specs.StateCreating, Pid: 42, Bundle: "/bundle", Annotations: map[string]string{"a": "b"}}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	list := []specs.Hook{
		shell(`cat >"$OUT.state"`, "OUT="+out),
		shell(`echo first $0 $(pwd) >>"$OUT"`, "OUT="+out),
		{Path: "/bin/sh", Args: []string{"name", "-c", `echo second $0 >>"$OUT"`}, Env: []string{"OUT=" + out}},
		// A hook need not read its stdin, and need not say anything.
		{Path: "/bin/true"},
	}
	if err := (&Place{Dir: dir}).Run(t.Context(), list, "prestart", state); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, out), "first sh "+dir+"\nsecond name\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var got specs.State
	if err := json.Unmarshal([]byte(read(t, out+".state")), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*state, got); d != "" {
		t.Error(d)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEnvironment has a hook without an environment, and one with.
func TestEnvironment(t *testing.T) {
	t.Setenv("OURS", "1")
	out := filepath.Join(t.TempDir(), "out")
	list := []specs.Hook{
		{Path: "/usr/bin/env", Args: []string{"env", "-u", "PWD", "sh", "-c", "test -z \"$OURS$A\""}},
		shell(`test -z "$OURS" && echo "$A$B" >`+out, "A=1", "B=2"),
	}
	list[0].Env = []string{"PATH=/bin:/usr/bin"}
	if err := (&Place{}).Run(t.Context(), list, "prestart", state); err != nil {
		t.Fatal(err)
	}
	if got := read(t, out); got != "12\n" {
		t.Errorf("got %q", got)
	}
}

// TestDescriptors has a process that was started with descriptors that are not close-on-exec.
func TestDescriptors(t *testing.T) {
	fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	err = (&Place{}).Run(t.Context(), []specs.Hook{shell("for f in /proc/self/fd/*; do readlink $f >&2; done; exit 1", "PATH=/bin:/usr/bin")}, "prestart", state)
	if err == nil || strings.Contains(err.Error(), "passwd") {
		t.Errorf("got %v", err)
	}
}

func TestFailures(t *testing.T) {
	ok := specs.Hook{Path: "/bin/true"}
	for name, c := range map[string]struct {
		list []specs.Hook
		want string
	}{
		"status":  {[]specs.Hook{ok, shell("echo bad >&2; exit 3")}, "error running createRuntime hook #1: exit status 3, stdout: , stderr: bad"},
		"output":  {[]specs.Hook{shell("echo out; echo err >&2; exit 1")}, "error running createRuntime hook #0: exit status 1, stdout: out, stderr: err"},
		"signal":  {[]specs.Hook{shell("kill -SYS $$")}, "error running createRuntime hook #0: signal: bad system call, stdout: , stderr: "},
		"missing": {[]specs.Hook{{Path: "/nope"}}, "error running createRuntime hook #0: fork/exec /nope: no such file or directory, stdout: , stderr: "},
	} {
		err := (&Place{}).Run(t.Context(), c.list, "createRuntime", state)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", name, err, c.want)
			continue
		}
		if f := fault.Of(err); f.Code != fault.Hook || !strings.HasPrefix(f.Field, "hooks.createRuntime[") {
			t.Errorf("%s: got %s, %s", name, f.Code, f.Field)
		}
	}
	// The first that fails is the last that runs.
	out := filepath.Join(t.TempDir(), "out")
	if err := (&Place{}).Run(t.Context(), []specs.Hook{{Path: "/bin/false"}, shell("echo >" + out)}, "poststart", state); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a hook has run after one that failed")
	}
}

// TestTimeout has a hook that hangs together with a child of its own: both are ended.
func TestTimeout(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := shell("sleep 1000 & echo $! >"+out+"; wait", "PATH=/bin:/usr/bin")
	h.Timeout = seconds(1)
	err := (&Place{}).Run(t.Context(), []specs.Hook{h}, "prestart", state)
	if err == nil || !strings.Contains(err.Error(), "error running prestart hook #0: timeout after 1 s") {
		t.Fatalf("got %v", err)
	}
	gone(t, strings.TrimSpace(read(t, out)))
}

// gone waits until a process is not there, or waits to be reaped.
func gone(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if _, rest, _ := strings.Cut(string(b), ") "); err != nil || strings.HasPrefix(rest, "Z") || !strings.Contains(string(b), "(sleep)") {
			return
		}
	}
	t.Errorf("process %s is there still", pid)
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err := (&Place{}).Run(ctx, []specs.Hook{shell("sleep 1000", "PATH=/bin:/usr/bin")}, "prestart", state)
	if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v", err)
	}
}

// TestLeftBehind has a hook whose child outlives it with its output: that is not waited for.
func TestLeftBehind(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := (&Place{}).Run(t.Context(), []specs.Hook{shell("sleep 1000 & echo $! >"+out, "PATH=/bin:/usr/bin")}, "prestart", state); err != nil {
		t.Error(err)
	}
	pid := strings.TrimSpace(read(t, out))
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil || !strings.Contains(string(b), "(sleep)") {
		t.Errorf("process %s: %s, %v", pid, b, err)
	}
	p, err := os.FindProcess(number(t, pid))
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Error(err)
	}
}

func number(t *testing.T, s string) (n int) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOutput has more of it than an error can show.
func TestOutput(t *testing.T) {
	err := (&Place{}).Run(t.Context(), []specs.Hook{shell("i=0; while [ $i -lt 2000 ]; do echo 0123456789; i=$((i+1)); done; exit 1")}, "prestart", state)
	if err == nil || len(err.Error()) > maxOutput+200 || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}
