package cgroups

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const v2Environment = "MYDOCKER_TEST_CGROUP2"

// TestMain gives tests of v2 a mount namespace in which /sys/fs/cgroup is the v2 tree, which a hybrid host has too.
func TestMain(m *testing.M) {
	if os.Getenv(v2Environment) != "" {
		if err := mountV2(); err != nil {
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func mountV2() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return unix.Mount("none", root, "cgroup2", 0, "")
}

// inV2 runs the calling test again with a v2 tree, and tells whether this is that run.
func inV2(t *testing.T) bool {
	t.Helper()
	if os.Getenv(v2Environment) != "" {
		if Mode() != V2 {
			t.Fatal("no v2 tree")
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if Mode() == V2 {
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), v2Environment+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("on v2: %v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS"):
		t.Skipf("no v2 tree can be mounted:\n%s", out)
	}
	return false
}

func TestV2Life(t *testing.T) {
	if !inV2(t) {
		return
	}
	c := newTest(t, &specs.LinuxResources{Devices: denyEverything})
	dir, err := c.Dir()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("sh", "-c", "read x; cat /dev/kmsg")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	gate, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{c.Join(cmd.Process.Pid), c.Set(), c.JoinLate(cmd.Process.Pid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("processes: %v, %v", pids, err)
	}
	if err := c.Freeze(); err != nil {
		t.Error(err)
	}
	if frozen, err := c.Frozen(); err != nil || !frozen {
		t.Errorf("frozen: %v, %v", frozen, err)
	}
	if err := c.Thaw(); err != nil {
		t.Error(err)
	}
	if stats, err := c.Stats(); err != nil || stats.Pids.Current != 1 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	again, err := New(testSpec(nil), &Options{ID: uniqueID(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Make(); !errors.Is(err, errNotEmpty) {
		t.Errorf("make with processes: %v", err)
	}
	// A program that is attached to the cgroup, not file modes, keeps root from the kernel's log.
	_ = gate.Close()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a device that is not allowed was opened")
		}
	case <-time.After(time.Minute):
		t.Error("a device that is not allowed was opened")
		if err := c.Kill(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		<-done
	}
}

func TestV2Kill(t *testing.T) {
	if !inV2(t) {
		return
	}
	c := newTest(t, nil)
	cmd := sleeper(t)
	if err := c.Join(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.main().dir()+"/below/it", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.ExecJoinLate(cmd.Process.Pid, []string{"below/it"}); err != nil {
		t.Fatal(err)
	}
	dir, err := c.ExecDir([]string{"below/it"})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("process was not killed")
	}
	if _, err := c.ExecDir([]string{"gone"}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("sub cgroup that is not there: %v", err)
	}
}

func TestV2Unavailable(t *testing.T) {
	if !inV2(t) {
		return
	}
	have, err := readFile(root + "/cgroup.controllers")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(have, "memory") {
		t.Skip("the memory controller is available")
	}
	c := newTest(t, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(1 << 30))}})
	if err := c.Set(); err == nil || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("set: %v", err)
	}
	if _, err := c.WatchOOM(context.Background(), nil); err == nil {
		t.Error("watching works without a controller")
	}
}
