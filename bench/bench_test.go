package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []time.Duration
		want span
	}{
		{nil, span{}},
		{[]time.Duration{7}, span{median: 7, low: 7, high: 7}},
		{[]time.Duration{4, 2}, span{median: 3, low: 2, high: 2}},
		{[]time.Duration{10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 100}, span{median: 6, low: 2, high: 10}},
	} {
		if got := spread(c.in); got != c.want {
			t.Errorf("spread(%v) = %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestRatios(t *testing.T) {
	of := func(name string, median time.Duration) row {
		s := span{median: median}
		return row{action: "run", name: name, cpu: s, wall: s}
	}
	rows := ratios([]row{of("mydocker", 4), of("crun", 2), of("runc", 8), of("floor", 1), {action: "run", name: "other", note: "no"}})
	if rows[1].cpuRatio != 0.5 || rows[2].wallTime != 2 {
		t.Errorf("ratios %+v", rows)
	}
	if got, want := slower(rows, 1), []string{"run: 2.00 times the CPU of crun"}; !slices.Equal(got, want) {
		t.Errorf("slower %q, want %q", got, want)
	}
	if got := slower(rows, 2); got != nil {
		t.Errorf("slower at twice %q", got)
	}
}

func TestPlural(t *testing.T) {
	if a, b := plural("%d mount% there", 1), plural("%d mount% there", 2); a != "1 mount there" || b != "2 mounts there" {
		t.Errorf("%q, %q", a, b)
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	b := &bench{out: &out}
	b.table("T", []row{
		{action: "run", name: "mydocker", cpu: span{median: time.Millisecond}, faults: 5, cpuRatio: 1, wallTime: 1},
		{action: "run", name: "crun", note: "a|b\nc"},
	})
	for _, line := range []string{"| run | mydocker | 1.00 (0.00–0.00) | 1.00 | 0.00 (0.00–0.00) | 1.00 | 5 |\n", "|  | crun | – a\\|b c | | | | |\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in %q", line, out.String())
		}
	}
}

func TestSummary(t *testing.T) {
	var out strings.Builder
	b := &bench{out: &out, rows: []row{
		{action: "run", name: "mydocker", cpuRatio: 1, wallTime: 1},
		{action: "run", name: "crun", cpuRatio: 2, wallTime: 4},
		{action: "list", name: "mydocker", cpuRatio: 1, wallTime: 1},
		{action: "list", name: "crun", note: "no"},
	}}
	b.summary()
	if want := "| | crun |\n|---|---|\n| run | 0.50, 0.25 |\n| list | – |\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%q does not end with %q", out.String(), want)
	}
}

// The programs of the root filesystem do what their names say.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, code []byte) string {
		program, err := static(runtime.GOARCH, code)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, program, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := exec.Command(write("true", exitCode[runtime.GOARCH])).Run(); err != nil {
		t.Error(err)
	}
	pause := exec.Command(write("pause", pauseCode[runtime.GOARCH]))
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := pause.Process.Signal(unix.SIGTERM); err != nil {
		t.Error("pause has ended by itself:", err)
	}
	_ = pause.Wait()
	if status := pause.ProcessState.Sys().(interface{ Signaled() bool }); !status.Signaled() {
		t.Error("pause:", pause.ProcessState)
	}
	if _, err := static("pdp11", nil); err == nil {
		t.Error("a program for an unknown CPU")
	}
}

func TestMeter(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	m := b.newMeter()
	if text, err := m.output([]string{"/bin/sh", "-c", "echo one; echo two >&2"}, nil); err != nil || text != "one\ntwo\n" {
		t.Errorf("%q, %v", text, err)
	}
	if m.used.cpu <= 0 || m.used.faults == 0 {
		t.Error("a shell that costs nothing")
	}
	if err := m.run([]string{"/bin/sh", "-c", "echo no >&2; exit 3"}); err == nil || !strings.Contains(err.Error(), "no") {
		t.Error("exit status 3 gives", err)
	}
	if err := m.run([]string{"/nonexistent"}); err == nil {
		t.Error("a program that is not there runs")
	}
	var seen [10]int
	err := m.crowd(10, 3, func(n int) []string { seen[n]++; return []string{"/bin/sh", "-c", "exit 0"} })
	if err != nil || seen != [10]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1} {
		t.Errorf("crowd: %v, %v", seen, err)
	}
	if err := m.idle(); err != nil {
		t.Error(err)
	}
	if err := m.crowd(5, 2, func(int) []string { return []string{"/bin/sh", "-c", "exit 1"} }); err == nil {
		t.Error("a crowd that fails does not say so")
	}
}

// Docker's document can be read, and each bundle gets a root filesystem and a cgroup of its own.
func TestBundles(t *testing.T) {
	b := &bench{dir: t.TempDir(), settings: &settings{testdata: "../testdata/bench"}}
	b.rootfs = filepath.Join(b.dir, "rootfs")
	docker, err := b.dockerSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []document{docker, defaultSpec("/bin/true"), smallSpec(), b.mountsSpec(2)} {
		dir, err := b.bundle("name", d)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil || !strings.Contains(string(text), `"cgroupsPath":"/name"`) || strings.Contains(string(text), "@") {
			t.Errorf("%v: %s", err, text)
		}
	}
}
