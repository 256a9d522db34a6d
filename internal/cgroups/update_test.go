package cgroups

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// execute has a process execute a program inside the cgroup, so that memory is charged to it.
func execute(t *testing.T, c *Cgroup) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read x; exec sleep 600")
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, err := range []error{c.Join(cmd.Process.Pid), c.Set(), c.JoinLate(cmd.Process.Pid), gate.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for c.number("memory", "memory.usage_in_bytes") <= 4096 {
		if time.Now().After(deadline) {
			t.Fatal("no memory is charged")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestUpdate(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{
		Devices: denyEverything, Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20))}, CPU: &specs.LinuxCPU{Shares: ptr(uint64(700))},
	})
	execute(t, c)
	loaded, err := Load(c.Saved())
	if err != nil {
		t.Fatal(err)
	}
	list := content(t, c, "devices", "devices.list")
	err = loaded.Update(&specs.LinuxResources{
		Devices: denyEverything, Memory: &specs.LinuxMemory{Limit: ptr(int64(32 << 20)), Swap: ptr(int64(40 << 20))},
		CPU: &specs.LinuxCPU{Shares: ptr(uint64(0))}, Pids: &specs.LinuxPids{Limit: ptr(int64(-1))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, c, "memory", "memory.limit_in_bytes"); got != "33554432" {
		t.Errorf("memory limit %s", got)
	}
	if got := content(t, c, "cpu", "cpu.shares"); got != "700" {
		t.Errorf("shares %s", got)
	}
	if got := content(t, c, "devices", "devices.list"); got != list {
		t.Errorf("device rules changed:\n%s\nwere\n%s", got, list)
	}
	for _, test := range []struct {
		memory *specs.LinuxMemory
		want   string
	}{
		{&specs.LinuxMemory{Limit: ptr(int64(4096)), CheckBeforeUpdate: ptr(true)}, "rejecting memory limit 4096 <= usage "},
		{&specs.LinuxMemory{Swap: ptr(int64(4096)), CheckBeforeUpdate: ptr(true)}, "rejecting memory+swap limit 4096 <= usage "},
		{&specs.LinuxMemory{Limit: ptr(int64(1000))}, "unable to set memory limit to 1000 (current usage: "},
	} {
		err := loaded.Update(&specs.LinuxResources{Memory: test.memory})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

func TestUpdateDevices(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{Devices: denyEverything})
	enter(t, c)
	tun := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(200)), Access: "rwm"}
	loaded, err := Load(c.Saved())
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Update(&specs.LinuxResources{Devices: append(denyEverything, tun)}); err != nil {
		t.Fatal(err)
	}
	list := content(t, c, "devices", "devices.list")
	if !strings.Contains(list, "c 10:200 rwm") || !strings.Contains(list, "c 1:3 rwm") || strings.Contains(list, "a *:*") {
		t.Errorf("devices.list:\n%s", list)
	}
}

// A failed update leaves everything as it was.
func TestUpdateRollback(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(64 << 20)), Swap: ptr(int64(80 << 20))},
		CPU:    &specs.LinuxCPU{Quota: ptr(int64(20000)), Period: ptr(uint64(50000))}, Pids: &specs.LinuxPids{Limit: ptr(int64(30))},
	})
	enter(t, c)
	files := []struct{ controller, name string }{
		{"memory", "memory.limit_in_bytes"}, {"memory", "memory.memsw.limit_in_bytes"}, {"cpu", "cpu.cfs_quota_us"},
		{"cpu", "cpu.cfs_period_us"}, {"cpu", "cpu.shares"}, {"pids", "pids.max"}, {"memory", "memory.oom_control"},
	}
	var before []string
	for _, f := range files {
		before = append(before, content(t, c, f.controller, f.name))
	}
	err := c.Update(&specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(128 << 20)), Swap: ptr(int64(256 << 20)), DisableOOMKiller: ptr(true)},
		CPU:    &specs.LinuxCPU{Quota: ptr(int64(90000)), Period: ptr(uint64(100000)), Shares: ptr(uint64(2))},
		Pids:   &specs.LinuxPids{Limit: ptr(int64(1 << 60))}, // more than the kernel takes
	})
	if got := fault.Of(err).Field; got != "linux.resources.pids.limit" {
		t.Errorf("update: %v (field %q)", err, got)
	}
	for i, f := range files {
		if now := content(t, c, f.controller, f.name); now != before[i] {
			t.Errorf("%s is %q, was %q", f.name, now, before[i])
		}
	}
}

func TestWatchOOM(t *testing.T) {
	needV1(t)
	c := newTest(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(8 << 20)), Swap: ptr(int64(8 << 20))}})
	if err := c.Set(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Who watches is another command than the one that has made the container.
	watcher, err := Load(c.Saved())
	if err != nil {
		t.Fatal(err)
	}
	events, err := watcher.WatchOOM(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "read x; x=a; while :; do x=$x$x; done")
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.Join(cmd.Process.Pid), c.JoinLate(cmd.Process.Pid), gate.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	select {
	case <-events:
	case <-time.After(time.Minute):
		t.Error("no event")
	}
	if killed, err := c.OOMKilled(); !killed || err != nil {
		t.Errorf("OOM killed: %v, %v", killed, err)
	}
	cancel()
	for range events {
	}
}

func TestExecJoin(t *testing.T) {
	needV1(t)
	c := newTest(t, nil)
	enter(t, c)
	other := sleeper(t).Process.Pid
	if err := c.ExecJoin(other, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.ExecJoinLate(other, nil); err != nil {
		t.Fatal(err)
	}
	for controller, dir := range c.Paths() {
		if pids, err := processes(nil, dir); err != nil || len(pids) != 2 {
			t.Errorf("%s: %v, %v", controller, pids, err)
		}
	}
	for sub, want := range map[string]string{"../x": "bad sub cgroup path: ../x", "nope:x": "unknown controller nope", "gone": "no such file or directory"} {
		if err := c.ExecJoin(other, []string{sub}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", sub, err, want)
		}
	}
}
