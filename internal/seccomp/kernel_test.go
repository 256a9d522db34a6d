//go:build amd64 || arm64

package seccomp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// childVar holds what the test binary does instead of the tests, under a filter that the real kernel has taken.
const childVar = "SECCOMP_TEST_CHILD"

// order is what a child does.
type order struct {
	Profile *specs.LinuxSeccomp
	Calls   [][]uintptr // numbers and arguments; what each returns is printed
	Agent   bool        // another thread answers the notifications
	Outlive bool        // the thread under the filter is expected to die, and the process to go on
}

func init() {
	// The thread that loads the filter is the one that a tracer holds.
	if os.Getenv(childVar) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	text := os.Getenv(childVar)
	if text == "" {
		os.Exit(m.Run())
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if err := o.do(); err != nil {
		fmt.Println("error:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

func (o *order) do() error {
	// A thread that is killed would never come to the collector's stop.
	debug.SetGCPercent(-1)
	if o.Outlive {
		return o.outlive()
	}
	listener := make(chan int)
	answered := make(chan error, 1)
	if o.Agent {
		ready := make(chan bool)
		go func() {
			runtime.LockOSThread()
			ready <- true
			answered <- answer(<-listener)
		}()
		<-ready
	}
	out, fd, err := o.under()
	if o.Agent && err == nil {
		listener <- fd
	}
	for _, c := range o.Calls {
		if err != nil {
			return err
		}
		n, errno := call6(c)
		out = fmt.Appendf(out, "%d: %d %d\n", c[0], n, errno)
	}
	if o.Agent && err == nil {
		err = <-answered
	}
	if _, e := os.Stdout.Write(out); err == nil {
		err = e
	}
	return err
}

// under loads the filter.
func (o *order) under() ([]byte, int, error) {
	f, err := Compile(o.Profile, runtime.GOARCH)
	if err != nil {
		return nil, -1, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, -1, err
	}
	fd, err := f.Load()
	return make([]byte, 0, 4096), fd, err
}

func call6(c []uintptr) (uintptr, syscall.Errno) {
	var a [7]uintptr
	copy(a[:], c)
	n, _, errno := unix.RawSyscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6])
	return n, errno
}

// outlive waits until the thread that makes the calls is gone.
func (o *order) outlive() error {
	tid, failed := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		if _, _, err := o.under(); err != nil {
			failed <- err
			return
		}
		for _, c := range o.Calls {
			call6(c)
		}
		failed <- fmt.Errorf("the thread lives")
	}()
	task := fmt.Sprintf("/proc/self/task/%d", <-tid)
	for {
		select {
		case err := <-failed:
			return err
		default:
		}
		if _, err := os.Stat(task); errors.Is(err, os.ErrNotExist) {
			fmt.Println("the thread is gone")
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

// notification and response are struct seccomp_notif and struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// answer lets a call return its first argument and one.
func answer(listener int) error {
	var n notification
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return fmt.Errorf("receive: %w", errno)
	}
	r := response{id: n.id, value: int64(n.args[0] + 1)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return fmt.Errorf("send: %w", errno)
	}
	return nil
}

func (o *order) command(t *testing.T) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	// A child whose thread the filter kills by mistake would stay.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, "/proc/self/exe")
	c.Env = append(os.Environ(), childVar+"="+string(b), "GOMAXPROCS=4", "GODEBUG=asyncpreemptoff=1")
	return c
}

func (o *order) run(t *testing.T) (out string, state *os.ProcessState) {
	t.Helper()
	c := o.command(t)
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	_ = c.Run()
	return b.String(), c.ProcessState
}

func TestKernelErrno(t *testing.T) {
	errno := uint(77)
	wide := specs.LinuxSeccompArg{Index: 5, Value: 1 << 32, Op: specs.OpGreaterThan}
	o := order{
		Profile: ruled("getppid", specs.ActErrno, &errno, wide),
		Calls: [][]uintptr{
			{unix.SYS_GETPPID, 0, 0, 0, 0, 0, 1<<32 + 1}, {unix.SYS_GETPPID, 0, 0, 0, 0, 0, 1 << 32}, {unix.SYS_GETPPID, 0, 0, 0, 0, 0, 2},
		},
	}
	out, _ := o.run(t)
	free := fmt.Sprintf("%d: %d 0\n", unix.SYS_GETPPID, os.Getpid())
	if want := fmt.Sprintf("%d: %d 77\n", unix.SYS_GETPPID, uintptr(math.MaxUint64)) + free + free; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestKernelKill(t *testing.T) {
	o := order{Profile: ruled("getppid", specs.ActKillProcess, nil), Calls: [][]uintptr{{unix.SYS_GETPPID}}}
	out, state := o.run(t)
	if w := state.Sys().(syscall.WaitStatus); !w.Signaled() || w.Signal() != unix.SIGSYS {
		t.Errorf("SCMP_ACT_KILL_PROCESS: %v: %s", state, out)
	}
	for _, action := range []specs.LinuxSeccompAction{specs.ActKill, specs.ActKillThread} {
		o := order{Profile: ruled("getppid", action, nil), Calls: [][]uintptr{{unix.SYS_GETPPID}}, Outlive: true}
		if out, state := o.run(t); out != "the thread is gone\n" {
			t.Errorf("%s: %v: %s", action, state, out)
		}
	}
}

func TestKernelTrap(t *testing.T) {
	o := order{Profile: ruled("getppid", specs.ActTrap, nil), Calls: [][]uintptr{{unix.SYS_GETPPID}}}
	// The Go runtime's handler ends the process.
	if out, state := o.run(t); !strings.Contains(out, "SIGSYS") || state.Success() {
		t.Errorf("%v: %s", state, out)
	}
}

func TestKernelLog(t *testing.T) {
	for _, list := range [][]specs.LinuxSeccompFlag{
		nil, {"SECCOMP_FILTER_FLAG_LOG"}, {"SECCOMP_FILTER_FLAG_SPEC_ALLOW"}, {"SECCOMP_FILTER_FLAG_TSYNC"},
		{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"},
	} {
		o := order{Profile: ruled("getppid", specs.ActLog, nil), Calls: [][]uintptr{{unix.SYS_GETPPID}}}
		o.Profile.Flags = list
		if out, state := o.run(t); out != fmt.Sprintf("%d: %d 0\n", unix.SYS_GETPPID, os.Getpid()) {
			t.Errorf("%v: %v: %s", list, state, out)
		}
	}
}

func TestKernelNotify(t *testing.T) {
	for _, list := range [][]specs.LinuxSeccompFlag{
		nil, {"SECCOMP_FILTER_FLAG_TSYNC"}, {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
	} {
		o := order{Profile: ruled("getppid", specs.ActNotify, nil), Calls: [][]uintptr{{unix.SYS_GETPPID, 41}}, Agent: true}
		o.Profile.ListenerPath, o.Profile.Flags = "/agent", list
		if out, state := o.run(t); out != fmt.Sprintf("%d: 42 0\n", unix.SYS_GETPPID) {
			t.Errorf("%v: %v: %s", list, state, out)
		}
	}
}

// Without a tracer the call fails with ENOSYS; a tracer is told errnoRet.
func TestKernelTrace(t *testing.T) {
	data := uint(1234)
	o := order{Profile: ruled("getppid", specs.ActTrace, &data), Calls: [][]uintptr{{unix.SYS_GETPPID}}}
	out, _ := o.run(t)
	if want := fmt.Sprintf("%d: %d %d\n", unix.SYS_GETPPID, uintptr(math.MaxUint64), unix.ENOSYS); out != want {
		t.Errorf("%q, want %q", out, want)
	}

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := o.command(t)
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		t.Skip("no tracing: ", err)
	}
	pid, told := c.Process.Pid, uint(0)
	first := true
	for {
		var w unix.WaitStatus
		if _, err := unix.Wait4(pid, &w, unix.WALL, nil); err != nil {
			t.Fatal(err)
		}
		if !w.Stopped() {
			break
		}
		signal := int(w.StopSignal())
		if first {
			if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESECCOMP|unix.PTRACE_O_EXITKILL); err != nil {
				t.Fatal(err)
			}
		}
		if w.TrapCause() == unix.PTRACE_EVENT_SECCOMP {
			n, err := unix.PtraceGetEventMsg(pid)
			if err != nil {
				t.Fatal(err)
			}
			told = n
		}
		if first || w.StopSignal() == unix.SIGTRAP {
			signal = 0
		}
		first = false
		if err := unix.PtraceCont(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Process.Release()
	if told != data {
		t.Errorf("the tracer was told %d, want %d", told, data)
	}
}

// Calls of an ABI that the profile does not list kill the process; -1, which tracers make of calls to skip, does not.
func TestKernelForeign(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("x32 is an ABI of amd64")
	}
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	o := order{Profile: p, Calls: [][]uintptr{{x32Bit + unix.SYS_GETPPID}}}
	out, state := o.run(t)
	if w := state.Sys().(syscall.WaitStatus); !w.Signaled() || w.Signal() != unix.SIGSYS {
		t.Errorf("x32: %v: %s", state, out)
	}
	o = order{Profile: p, Calls: [][]uintptr{{math.MaxUint64}}}
	out, state = o.run(t)
	if want := fmt.Sprintf("%d: %d %d\n", uintptr(math.MaxUint64), uintptr(math.MaxUint64), unix.ENOSYS); out != want {
		t.Errorf("-1: %v: %q, want %q", state, out, want)
	}
}

// The kernel takes the profiles of engines, and the longest filter there can be.
func TestKernelProfiles(t *testing.T) {
	long := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	for i := range uint64(800) {
		long.Syscalls = append(long.Syscalls, specs.LinuxSyscall{
			Names: []string{"getppid"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: i + 1, Op: specs.OpEqualTo}},
		})
	}
	all := engines(t)
	all["long"] = long
	for name, p := range all {
		o := order{Profile: p, Calls: [][]uintptr{{unix.SYS_GETPPID}}}
		if out, state := o.run(t); out != fmt.Sprintf("%d: %d 0\n", unix.SYS_GETPPID, os.Getpid()) {
			t.Errorf("%s: %v: %s", name, state, out)
		}
	}
	o := order{Profile: all["docker.json"], Calls: [][]uintptr{{1000}}}
	out, _ := o.run(t)
	if want := fmt.Sprintf("1000: %d %d\n", uintptr(math.MaxUint64), unix.ENOSYS); out != want {
		t.Errorf("a call to come: %q, want %q", out, want)
	}
}

// The kernel comes to the same as the profile says, for many rules on few calls.
func TestKernelMixedRules(t *testing.T) {
	own, _ := native(runtime.GOARCH)
	random := rand.New(rand.NewSource(5))
	for range 4 {
		o, want := order{Profile: mixed(random)}, ""
		for range 300 {
			d := data{number: unix.SYS_GETPPID, arch: auditArch[own]}
			for i := range 2 {
				d.args[i] = uint64(random.Intn(5))<<32 | uint64(random.Intn(210))
			}
			o.Calls = append(o.Calls, []uintptr{unix.SYS_GETPPID, uintptr(d.args[0]), uintptr(d.args[1])})
			value, errno := uintptr(os.Getpid()), uint32(0)
			if r := evaluate(o.Profile, runtime.GOARCH, &d); r != unix.SECCOMP_RET_ALLOW {
				value, errno = math.MaxUint64, r&unix.SECCOMP_RET_DATA
			}
			want += fmt.Sprintf("%d: %d %d\n", unix.SYS_GETPPID, value, errno)
		}
		if out, state := o.run(t); out != want {
			t.Errorf("%v: %s\nwant %s", state, out, want)
		}
	}
}
