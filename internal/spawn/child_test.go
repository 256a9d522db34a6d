package spawn

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The child must not call the runtime: of its functions the machine code may call only what is named here.
func TestDisassembly(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go command")
	}
	// `go test` strips the binary that it runs: this is the same code with its symbols.
	binary := filepath.Join(t.TempDir(), "spawn.test")
	if out, err := exec.Command(tool, "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const here = "mydocker/internal/spawn."
	const kernel = "internal/runtime/syscall/linux.Syscall6"
	allowed := map[string][]string{
		here + "clone":        nil,
		here + "runOps":       {here + "clone", here + "send", here + "exit", "syscall.RawSyscall", "syscall.RawSyscall6", kernel},
		here + "send":         {"syscall.RawSyscall6", kernel},
		here + "exit":         {"syscall.RawSyscall", "syscall.RawSyscall6", kernel},
		"syscall.RawSyscall":  {"syscall.RawSyscall6", kernel},
		"syscall.RawSyscall6": {kernel},
		kernel:                nil,
	}
	code := disassemble(t, tool, binary)
	for _, needed := range []string{here + "clone", here + "runOps", kernel} {
		if code[needed] == "" {
			t.Fatalf("no code of %s", needed)
		}
	}
	// A branch to a symbol is a call; one within a function is to an address.
	call := regexp.MustCompile(`\b(?:CALL|BL|JMP|B) ([^\s(]+)\(SB\)`)
	for name, text := range code {
		may, ok := allowed[name]
		if !ok {
			continue
		}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			to := strings.TrimSuffix(m[1], ".abi0")
			if !slices.Contains(may, to) && to != name {
				t.Errorf("%s calls %s", name, to)
			}
		}
		if strings.Contains(text, "morestack") {
			t.Errorf("%s may grow the stack", name)
		}
	}
	if !regexp.MustCompile(`\b(SYSCALL|SVC)\b`).MatchString(code[kernel]) {
		t.Errorf("%s makes no system call:\n%s", kernel, code[kernel])
	}
}

// disassemble returns the code by the name of the function.
func disassemble(t *testing.T, tool, binary string) map[string]string {
	t.Helper()
	pattern := `^(mydocker/internal/spawn\.(clone|runOps|send|exit)|syscall\.RawSyscall6?|internal/runtime/syscall/linux\.Syscall6)(\.abi0)?$`
	out, err := exec.Command(tool, "tool", "objdump", "-s", pattern, binary).CombinedOutput()
	if err != nil {
		t.Fatalf("objdump: %v\n%s", err, out)
	}
	code := map[string]string{}
	for _, part := range strings.Split(string(out), "TEXT ")[1:] {
		name, text, _ := strings.Cut(part, "(SB)")
		name = strings.TrimSuffix(name, ".abi0")
		_, text, _ = strings.Cut(text, "\n")
		code[name] += text
	}
	return code
}

// What is seen in a joined namespace may not be traced, and holds no descriptor of the host.
func TestOrder(t *testing.T) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	c := &Command{Exe: exe, JoinPid: exe, JoinFlags: unix.CLONE_NEWPID | unix.CLONE_NEWUSER, Files: make([]*os.File, 3)}
	s, err := c.prepare()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.namespaces(0)
	if err := s.files(); err != nil {
		t.Fatal(err)
	}
	s.again(0)
	want := []uintptr{unix.SYS_PRCTL, unix.SYS_SETNS, unix.SYS_CLOSE_RANGE}
	last := 0
	for i, o := range s.ops {
		if len(want) > 0 && o.nr == want[0] {
			want, last = want[1:], i
		}
	}
	if len(want) > 0 || !slices.ContainsFunc(s.ops[last:], func(o op) bool { return o.kind == fork }) {
		t.Errorf("calls that are missing or out of order: %v", want)
	}
}

// Many processes are started by several threads while signals arrive and the collector runs.
func TestStorm(t *testing.T) {
	needRoot(t)
	const starters = 4
	rounds := 500
	if testing.Short() {
		rounds = 25
	}
	path, err := exec.LookPath("true")
	if err != nil {
		t.Skip("needs true")
	}
	exe, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	of := target(t, later|unix.CLONE_NEWUSER)
	net := openNS(t, of.Process.Pid, specs.NetworkNamespace)
	commands := []Command{
		{},
		{New: unix.CLONE_NEWPID | unix.CLONE_NEWUTS},
		{New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWUTS, UserRoot: true, Mapped: mapRoot(shift)},
		{JoinPid: of.Pidfd, JoinFlags: later | unix.CLONE_NEWUSER, UserRoot: true, Privileged: true},
		{Joins: []Join{{specs.NetworkNamespace, net}}, New: unix.CLONE_NEWTIME, TimeOffsets: []byte("monotonic 1 0\n")},
	}
	stop := make(chan struct{})
	var disturbers, all sync.WaitGroup
	disturbers.Go(func() { disturb(stop) })
	for n := range starters {
		all.Go(func() {
			for i := range rounds {
				// A copy of its own: all memory of a start is fresh, and garbage soon.
				c := commands[(n+i)%len(commands)]
				c.Exe, c.Args, c.Files = exe, []string{"true"}, []*os.File{nil, nil, os.Stderr}
				p, err := c.Start()
				if err != nil {
					t.Error(err)
					return
				}
				if status := p.Reap(); status != 0 {
					t.Errorf("status %#x", status)
				}
				_ = p.Pidfd.Close()
			}
		})
	}
	all.Wait()
	close(stop)
	disturbers.Wait()
}

// disturb sends the process signals that the runtime handles and lets the collector run, some thousand times a second.
func disturb(stop chan struct{}) {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	var garbage [][]byte
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		_ = unix.Kill(os.Getpid(), unix.SIGURG)
		_ = unix.Kill(os.Getpid(), unix.SIGCHLD)
		if garbage = append(garbage, make([]byte, 64<<10)); len(garbage) > 16 {
			garbage = nil
		}
	}
}
