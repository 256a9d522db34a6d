package hostile

import (
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

var faultTime = flag.Duration("faults", -1, "how long faults are drawn at random; 0: each kind once; less: none")

// TestFaults lets things go wrong, one at a time: after each, delete --force has to leave nothing, and a container that
// has nothing to do with it has to be unharmed. It has a mount namespace of its own.
func TestFaults(t *testing.T) {
	if os.Geteuid() != 0 || *faultTime < 0 {
		t.Skip("needs root, and -faults")
	}
	args := []string{"-test.run", "^TestFaultsInside$", "-test.v=true", "-test.timeout", "0", "-seed", fmt.Sprint(*seed), "-faults", faultTime.String(), "-only", *only}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "HOSTILE_BIN="+binaries.Dir, "HOSTILE_RUNTIME="+binaries.Runtime, "HOSTILE_FAULTS=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "faults, ") {
			fmt.Print(line)
		}
	}
	if testing.Verbose() {
		t.Logf("%s", out)
	}
}

// fault is one kind.
type fault struct {
	name string
	do   func(*faults)
}

// faults are a run of them.
type faults struct {
	*victim
	random    *rand.Rand
	other     string // the container that must stay unharmed
	otherPid  int
	otherRoot string
	kind      string
	step      int
	trace     []string // what was done in this step
}

// TestFaultsInside is the part of TestFaults that has a mount namespace of its own.
func TestFaultsInside(t *testing.T) {
	if os.Getenv("HOSTILE_FAULTS") == "" {
		t.Skip("part of TestFaults")
	}
	// Whoever loses its parent becomes a child of this process: nothing gets lost unseen.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	v := newVictim(t)
	f := &faults{victim: v, random: rand.New(rand.NewSource(*seed)), other: "o" + v.id[1:]}
	f.otherRoot = filepath.Join(v.dir, "others")
	v.write([]string{"sleep"})
	f.startOther()
	defer f.endOther()
	defer f.nanny()()
	kinds := f.kinds()
	count := make(map[string]int)
	begin := time.Now()
	for f.step = 0; !t.Failed(); f.step++ {
		if *faultTime == 0 && f.step == len(kinds) || *faultTime > 0 && time.Since(begin) > *faultTime {
			break
		}
		kind := kinds[f.step%len(kinds)]
		if *faultTime > 0 {
			kind = kinds[f.random.Intn(len(kinds))]
		}
		f.kind, f.trace = kind.name, nil
		count[kind.name]++
		kind.do(f)
		f.check()
	}
	t.Logf("%d faults, seed %d, %.0f s: %v", f.step, *seed, time.Since(begin).Seconds(), count)
}

func (f *faults) kinds() []fault {
	all := []fault{
		{"killed-create", killedCreate}, {"killed-command", killedCommand}, {"killed-at-call", killedAtCall}, {"killed-init", killedInit},
		{"failing-call", failingCall}, {"no-space", noSpace}, {"read-only", readOnlyState}, {"no-descriptors", noDescriptors}, {"no-pids", noPids},
		{"silent-console", silentConsole}, {"silent-agent", silentAgent}, {"fifo-removed", fifoRemoved}, {"garbage-state", garbageState},
		{"one-id-twice", oneIDTwice}, {"at-once", atOnceCommands},
	}
	for _, phase := range phases {
		all = append(all, fault{"killed-in-" + phase, killedIn(phase)})
	}
	if *only == "" {
		return all
	}
	var some []fault
	for _, k := range all {
		if strings.Contains(k.name, *only) {
			some = append(some, k)
		}
	}
	return some
}

func (f *faults) startOther() {
	r := f.callWith(func(cmd *exec.Cmd) { cmd.Args[2] = f.otherRoot }, "run", "--detach", "--bundle", f.bundle, f.other)
	if r.failed() {
		f.t.Fatal(r.text())
	}
	f.otherPid = f.stateOfOther().pid
}

func (f *faults) endOther() {
	_ = f.callWith(func(cmd *exec.Cmd) { cmd.Args[2] = f.otherRoot }, "delete", "--force", f.other)
	f.reap()
	if left := rig.Leftovers(f.other, f.dir); len(left) > 0 {
		f.t.Errorf("left over:\n%s", strings.Join(left, "\n"))
		rig.RemoveLeftovers(f.other, f.dir)
	}
}

type otherState struct {
	pid    int
	status string
}

func (f *faults) stateOfOther() otherState {
	r := f.callWith(func(cmd *exec.Cmd) { cmd.Args[2] = f.otherRoot }, "state", f.other)
	var s otherState
	_, rest, _ := strings.Cut(r.out, `"pid": `)
	s.pid, _ = strconv.Atoi(strings.TrimSpace(strings.Split(rest, ",")[0]))
	_, rest, _ = strings.Cut(r.out, `"status": "`)
	s.status, _, _ = strings.Cut(rest, `"`)
	return s
}

// do calls the runtime and notes it.
func (f *faults) do(prepare func(*exec.Cmd), args ...string) reply {
	r := f.callWith(prepare, args...)
	f.note(r, args...)
	return r
}

// note judges what any call has to keep to: it comes to an end, and does not crash.
func (f *faults) note(r reply, args ...string) {
	text := strings.Join(args, " ") + ": ok"
	if r.failed() {
		text = strings.Join(args, " ") + ": " + r.text()
	}
	if len(text) > 600 {
		text = text[:600]
	}
	f.trace = append(f.trace, text)
	// A thread that the kernel does not give is the end of a Go program.
	ofGo := strings.Contains(r.err, "newosproc") || strings.Contains(r.err, "failed to create new OS thread")
	if !ofGo && (strings.Contains(r.err, "panic:") || strings.Contains(r.err, "fatal error:") || strings.Contains(r.err, "goroutine ")) {
		f.fail("crashed: %s", r.err)
	}
	if r.code != nil && strings.Contains(r.code.Error(), "deadline") {
		f.fail("%s hangs", strings.Join(args, " "))
	}
}

func (f *faults) fail(format string, args ...any) {
	f.t.Errorf("step %d, %s: %s\n\t%s", f.step, f.kind, fmt.Sprintf(format, args...), strings.Join(f.trace, "\n\t"))
}

// check deletes the container and looks for what is left.
func (f *faults) check() {
	if r := f.do(nil, "delete", "--force", f.id); r.failed() {
		f.fail("delete --force: %s", r.text())
	}
	f.reap()
	left := rig.Leftovers(f.id, f.dir)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		f.reap()
		children := f.strangers()
		if len(children) == 0 {
			break
		}
		if time.Now().After(end) {
			left = append(left, children...)
			break
		}
	}
	entries, err := os.ReadDir(f.state())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		left = append(left, err.Error())
	}
	for _, e := range entries {
		left = append(left, "state "+e.Name())
	}
	if len(left) > 0 {
		f.fail("left over:\n%s", strings.Join(left, "\n"))
		rig.RemoveLeftovers(f.id, f.dir)
	}
	if s := f.stateOfOther(); s.status != "running" || s.pid != f.otherPid {
		f.fail("the other container is %v", s)
	}
	_ = exec.Command("find", f.dir, "-maxdepth", "1", "-name", "stream*", "-delete").Run()
}

// reap waits for orphans that have ended.
func (f *faults) reap() {
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
			return
		}
	}
}

// nanny waits for orphans from inside of containers all the time, as a manager of containers does: the first process of
// a pid namespace does not end before all others have been waited for (pid_namespaces(7)). stop ends it.
func (f *faults) nanny() (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
			tasks, _ := filepath.Glob("/proc/self/task/*/children")
			for _, name := range tasks {
				for _, pid := range strings.Fields(read(name)) {
					if n, err := strconv.Atoi(pid); err == nil && n != f.otherPid && orphaned(pid) {
						_, _ = unix.Wait4(n, nil, unix.WNOHANG, nil)
					}
				}
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// orphaned tells whether a child has ended that is of another pid namespace: no command of this process is.
func orphaned(pid string) bool {
	ended, inside := false, false
	for line := range strings.Lines(read("/proc/" + pid + "/status")) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "State":
			ended = strings.HasPrefix(strings.TrimSpace(value), "Z")
		case "NSpid":
			inside = len(strings.Fields(value)) > 1
		}
	}
	return ended && inside
}

// strangers are children of this process that nobody knows.
func (f *faults) strangers() []string {
	var all []string
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range tasks {
		for _, pid := range strings.Fields(read(name)) {
			if pid != strconv.Itoa(f.otherPid) {
				all = append(all, "process "+pid+" "+strings.ReplaceAll(read("/proc/"+pid+"/cmdline"), "\x00", " "))
			}
		}
	}
	return all
}
