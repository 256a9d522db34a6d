package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

// What a command costs shows in its system calls, whatever the clock of the machine says. The bounds are a quarter above
// what the commands need; who has to raise one has made every container slower.
func TestSystemCalls(t *testing.T) {
	needRoot(t)
	if os.Getenv("RUNTIME") != "" {
		t.Skip("the bounds are those of the runtime that is built here")
	}
	strace := needStrace(t)
	t.Run("run", func(t *testing.T) {
		s := newSite(t, "payload", "true")
		s.traced(strace, "run", "--bundle", s.bundle, s.id(0)).atMost(1250)
	})
	t.Run("mounts", func(t *testing.T) {
		s := newSite(t, "payload", "true")
		const n = 100
		s.bind(n)
		calls := s.traced(strace, "run", "--bundle", s.bundle, s.id(0)).atMost(1250 + 4*n)
		// Side by side, their directory is looked up once; from Linux 6.15 on they have their attributes from the start.
		names := []string{"openat2"}
		if hasTreeAttr() {
			names = append(names, "mount_setattr")
		}
		for _, name := range names {
			if calls[name] >= n {
				t.Errorf("%d calls of %s for %d mounts", calls[name], name, n)
			}
		}
	})
	t.Run("create", func(t *testing.T) {
		s := newSite(t, "payload", "true")
		call := s.traced(strace, "create", "--bundle", s.bundle, s.id(0))
		// strace stays for as long as there is a process: the container, too, has to end.
		for limit := time.Now().Add(rig.Scale(30 * time.Second)); ; time.Sleep(20 * time.Millisecond) {
			if out, err := s.run("state", s.id(0)); err == nil && strings.Contains(out, `"status": "created"`) {
				break
			}
			if time.Now().After(limit) {
				t.Fatal("not created")
			}
		}
		s.must("start", s.id(0))
		call.atMost(1190)
	})
	t.Run("exec", func(t *testing.T) {
		s := newSite(t, "payload", "sleep")
		s.must("run", "--detach", "--bundle", s.bundle, s.id(0))
		s.traced(strace, "exec", s.id(0), "payload", "true").atMost(830)
	})
}

// bind makes the configuration the default one with bind mounts side by side.
func (s *site) bind(n int) {
	s.t.Helper()
	config := rig.DefaultConfig()
	mounts := config["mounts"].([]any)
	for i := range n {
		dest := fmt.Sprintf("/m/%d", i)
		mounts = append(mounts, specs.Mount{Destination: dest, Source: s.bundle, Options: []string{"bind", "ro", "nosuid"}})
		if err := os.MkdirAll(filepath.Join(s.bundle, "rootfs", dest), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	config["mounts"] = mounts
	s.configure(config)
}

// Page faults are most of what a start costs on a virtual machine. Those that are counted are the runtime's, init's and
// the program's; the bounds are a quarter above what the commands need.
func TestPageFaults(t *testing.T) {
	needRoot(t)
	if os.Getenv("RUNTIME") != "" {
		t.Skip("the bounds are those of the runtime that is built here")
	}
	s := newSite(t, "payload", "true")
	s.faultsAtMost(1020, "run", "--bundle", s.bundle, s.id(0))
	s = newSite(t, "payload", "sleep")
	s.must("run", "--detach", "--bundle", s.bundle, s.id(0))
	s.faultsAtMost(1030, "exec", s.id(0), "payload", "true")
	s.faultsAtMost(450, "state", s.id(0))
}

func (s *site) faultsAtMost(most int, args ...string) {
	s.t.Helper()
	cmd := s.command(args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	n := int(cmd.ProcessState.SysUsage().(*syscall.Rusage).Minflt)
	s.t.Logf("%s: %d page faults, at most %d are expected", args[0], n, most)
	if n > most {
		s.t.Errorf("%s: %d page faults, at most %d are expected", args[0], n, most)
	}
}

// traced is a call of the runtime below strace, which counts the system calls of all its processes.
type traced struct {
	t      *testing.T
	cmd    *exec.Cmd
	counts string
}

func (s *site) traced(strace string, args ...string) *traced {
	s.t.Helper()
	dir := s.t.TempDir()
	c := &traced{t: s.t, cmd: s.command(args...), counts: filepath.Join(dir, "counts")}
	at := slices.Index(c.cmd.Args, binaries.Runtime)
	c.cmd.Args = slices.Insert(c.cmd.Args, at, strace, "-f", "-qq", "-c", "-o", c.counts)
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// atMost waits for the end, and tells how often each call was made.
func (c *traced) atMost(most int) map[string]int {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatal(err)
	}
	table, err := os.ReadFile(c.counts)
	if err != nil {
		c.t.Fatal(err)
	}
	calls := deliberate(string(table))
	n := 0
	for _, times := range calls {
		n += times
	}
	c.t.Logf("%d system calls, at most %d are expected", n, most)
	if n > most {
		c.t.Errorf("too many:\n%s", table)
	}
	return calls
}

// hasTreeAttr tells whether the kernel has open_tree_attr(2).
func hasTreeAttr() bool {
	_, _, err := unix.Syscall(unix.SYS_OPEN_TREE_ATTR, 0, 0, 0)
	return err != unix.ENOSYS
}

// deliberate reads the calls in strace's table: percent, seconds, microseconds a call, calls, errors if any, name. One that
// strace does not know is not there. What the Go runtime does to wait, or when a thread is late, depends on how busy the
// machine is.
func deliberate(table string) map[string]int {
	byChance := map[string]bool{
		"futex": true, "nanosleep": true, "sched_yield": true, "tgkill": true, "getpid": true, "gettid": true,
		"rt_sigreturn": true, "total": true, "clock_nanosleep": true, "epoll_pwait": true, "restart_syscall": true,
	}
	calls := map[string]int{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || byChance[f[len(f)-1]] {
			continue
		}
		n, err := strconv.Atoi(f[3])
		if err == nil {
			calls[f[len(f)-1]] += n
		}
	}
	return calls
}
