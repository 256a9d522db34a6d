package libinit

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/seqpacket"
	"mydocker/internal/wire"
)

// The tests of what init does to become a program run init itself: the test binary starts again in new namespaces,
// calls Main, and gets its plan from the test, which plays the parent. The program is a shell in the root filesystem
// of the host, which tells how things look to it.

const (
	initEnv       = "MYDOCKER_TEST_INIT" // the arguments of Main, with commas
	securebitsEnv = "MYDOCKER_TEST_SECUREBITS"
)

// TestInit is the child's side of run: it is nothing in a run of the tests.
func TestInit(t *testing.T) {
	args := os.Getenv(initEnv)
	if args == "" {
		t.Skip("the other tests run this one in a process of its own")
	}
	runtime.LockOSThread()
	if bits, err := strconv.Atoi(os.Getenv(securebitsEnv)); err == nil {
		if err := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0); err != nil {
			os.Exit(2)
		}
	}
	os.Exit(Main(strings.Split(args, ",")))
}

// initRun is a run of init.
type initRun struct {
	plan      Plan
	preserved []*os.File
	env       []string // for init

	output   string
	uid      uint32 // whom the output belongs to in the end
	warnings []string
	asked    []byte // the kinds of the requests, in order
}

// execSpec is a container whose process is a shell that runs a script.
func execSpec(script string) *specs.Spec {
	all := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
		{Type: specs.MountNamespace},
	}
	return &specs.Spec{
		Process: &specs.Process{Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/bin:/usr/bin"}, Cwd: "/"},
		Linux:   &specs.Linux{Namespaces: all},
	}
}

// insidePlan is the plan of a further process, and what the plan of a container does in the same namespaces.
func insidePlan(t *testing.T, spec *specs.Spec, opts *Options) Plan {
	t.Helper()
	plan, err := build(&planner{spec: spec, opts: opts},
		(*planner).execConsole, (*planner).names, (*planner).sysctls, (*planner).execProcess)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// start runs init until its program has ended. The error is init's.
func (r *initRun) start(t *testing.T) error {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make namespaces")
	}
	conn, end, err := seqpacket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestInit$")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(append(os.Environ(), initEnv+"="+strings.Join(Args(len(r.preserved), false), ",")), r.env...)
	cmd.ExtraFiles = append(slices.Clone(r.preserved), end)
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUTS,
		Setsid:     true, Pdeathsig: unix.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Close(), end.Close()
	err = r.serve(t, conn)
	text, readErr := io.ReadAll(out)
	if readErr != nil {
		t.Error(readErr)
	}
	r.output += string(text)
	var st unix.Stat_t
	if unix.Fstat(int(out.Fd()), &st) == nil {
		r.uid = st.Uid
	}
	if waitErr := cmd.Wait(); err == nil && waitErr != nil {
		t.Fatalf("%v\n%s", waitErr, r.output)
	}
	return err
}

// serve is the parent: it answers what init asks until init is the program, or has failed.
func (r *initRun) serve(t *testing.T, conn *seqpacket.Conn) error {
	t.Helper()
	if err := conn.Send(MsgPlan, r.plan.Encode()); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case MsgLog:
			var l Log
			if err := wire.Unmarshal(m.Body, &l); err != nil {
				t.Fatal(err)
			}
			r.warnings = append(r.warnings, l.Text)
			continue
		case MsgFailure:
			var f Failure
			if err := wire.Unmarshal(m.Body, &f); err != nil {
				t.Fatal(err)
			}
			return f.Error()
		case MsgConsole:
			master, err := m.File()
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				// EIO is the end.
				text, _ := io.ReadAll(master)
				r.output += string(text)
				_ = master.Close()
			}()
		}
		r.asked = append(r.asked, m.Kind)
		if err := conn.Send(MsgDone, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// inside runs a container's process and returns what it has written.
func run(t *testing.T, spec *specs.Spec) *initRun {
	t.Helper()
	r := &initRun{plan: insidePlan(t, spec, &Options{NoNewKeyring: true})}
	if err := r.start(t); err != nil {
		t.Fatal(err)
	}
	return r
}
