package cgroups

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

// needV1 skips where there are no v1 hierarchies that the test may use.
func needV1(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if Mode() != V1 {
		t.Skip("needs cgroup v1")
	}
	if err := unix.Access(root+"/devices", unix.W_OK); err != nil {
		t.Skipf("needs writable cgroup hierarchies: %v", err)
	}
}

var denyEverything = []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}

func testSpec(r *specs.LinuxResources) *specs.Spec {
	return &specs.Spec{Linux: &specs.Linux{Resources: r}}
}

func uniqueID(t *testing.T) string {
	return "mydocker-test-" + strconv.Itoa(os.Getpid()) + "-" + strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
}

// newTest makes the cgroup of a test, which goes when the test ends.
func newTest(t *testing.T, r *specs.LinuxResources) *Cgroup {
	t.Helper()
	c, err := New(testSpec(r), &Options{ID: uniqueID(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Make(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kill(unix.SIGKILL); err != nil {
			t.Errorf("kill: %v", err)
		}
		if err := c.Delete(); err != nil {
			t.Errorf("delete: %v", err)
		}
		for controller, dir := range c.Paths() {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s: %s is left behind", controller, dir)
			}
		}
	})
	return c
}

// sleeper starts a process that waits at a gate as init does.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func enter(t *testing.T, c *Cgroup) *exec.Cmd {
	t.Helper()
	cmd := sleeper(t)
	for _, err := range []error{c.Join(cmd.Process.Pid), c.Set(), c.JoinLate(cmd.Process.Pid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

func content(t *testing.T, c *Cgroup, controller, name string) string {
	t.Helper()
	text, err := readFile(c.Paths()[controller] + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLife(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{Devices: denyEverything})
	cmd := enter(t, c)
	for controller, dir := range c.Paths() {
		pids, err := processes(nil, dir)
		if err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
			t.Errorf("%s: processes %v, %v", controller, pids, err)
		}
	}
	list := content(t, c, "devices", "devices.list")
	for _, want := range []string{"c 1:3 rwm", "c 136:* rwm", "b *:* m", "c *:* m"} {
		if !strings.Contains(list, want) {
			t.Errorf("devices.list lacks %q:\n%s", want, list)
		}
	}
	loaded, err := Load(c.Saved())
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Freeze(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := loaded.Frozen(); !frozen || err != nil {
		t.Errorf("frozen: %v, %v", frozen, err)
	}
	again, err := New(testSpec(nil), &Options{ID: uniqueID(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Make(); !errors.Is(err, errNotEmpty) {
		t.Errorf("make with processes: %v", err)
	}
	if err := loaded.Kill(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("process was not killed")
	}
}

func TestLimits(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{
		Devices: denyEverything,
		Memory:  &specs.LinuxMemory{Limit: ptr(int64(1 << 20)), Swap: ptr(int64(2 << 20)), Swappiness: ptr(uint64(7))},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(512)), Quota: ptr(int64(50000)), Period: ptr(uint64(100000)), Cpus: "0"},
		Pids:    &specs.LinuxPids{Limit: ptr(int64(0))},
	})
	enter(t, c)
	for _, want := range []struct{ controller, name, value string }{
		{"memory", "memory.limit_in_bytes", "1048576"}, {"memory", "memory.memsw.limit_in_bytes", "2097152"},
		{"memory", "memory.swappiness", "7"}, {"cpu", "cpu.shares", "512"}, {"cpu", "cpu.cfs_quota_us", "50000"},
		{"cpuset", "cpuset.cpus", "0"}, {"pids", "pids.max", "1"},
	} {
		if got := content(t, c, want.controller, want.name); got != want.value {
			t.Errorf("%s is %q, want %q", want.name, got, want.value)
		}
	}
	stats, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Memory.Usage.Limit != 1<<20 || stats.Pids.Current != 1 {
		t.Errorf("stats: %+v", stats)
	}
}

// A program must start with a limit that init, which is bigger, could not live with.
func TestSmallMemory(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 20))}})
	cmd := exec.Command("sh", "-c", "read x; exec sleep 0")
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.Join(cmd.Process.Pid), c.Set(), c.JoinLate(cmd.Process.Pid), gate.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("program: %v", err)
	}
}

func TestNestedLeftovers(t *testing.T) {
	needV1(t)
	c := newTest(t, nil)
	for _, dir := range c.Paths() {
		if err := os.MkdirAll(dir+"/left/over", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := sleeper(t)
	if err := joinDirectory(c.main().dir()+"/left/over", cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	pids, err := c.Pids()
	if err != nil || len(pids) != 1 {
		t.Errorf("pids: %v, %v", pids, err)
	}
	// Kill waits until the processes are gone: somebody has to wait for this one meanwhile.
	reaped := make(chan struct{})
	go func() {
		_, _ = unix.Wait4(cmd.Process.Pid, nil, 0, nil)
		close(reaped)
	}()
	if err := c.Kill(unix.SIGKILL); err != nil {
		t.Errorf("kill: %v", err)
	}
	<-reaped
}
