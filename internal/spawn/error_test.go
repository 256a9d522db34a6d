package spawn

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func checkError(t *testing.T, err error, text string, errno error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !errors.Is(err, errno) {
		t.Errorf("error %q, want %q", err, text)
	}
}

func TestErrors(t *testing.T) {
	needRoot(t)
	before := children(t)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	own := errors.New("own error")
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	for name, test := range map[string]struct {
		c     Command
		text  string
		errno error
	}{
		"join": {Command{Joins: []Join{{specs.NetworkNamespace, file}}}, "setns network namespace " + data + ": invalid argument", unix.EINVAL},
		"join of another type": {
			Command{Joins: []Join{{specs.NetworkNamespace, openNS(t, os.Getpid(), specs.UTSNamespace)}}},
			"setns network namespace /proc/", unix.EINVAL,
		},
		"pidfd":           {Command{JoinPid: file, JoinFlags: later}, "of the container: invalid argument", unix.EINVAL},
		"exec":            {Command{Exe: file}, "execute " + data + ": exec format error", unix.ENOEXEC},
		"exec after all":  {Command{Exe: file, New: all, Mapped: mapRoot(shift), UserRoot: true}, "execute " + data + ": exec format error", unix.ENOEXEC},
		"exec, no user":   {Command{Exe: file, New: all &^ unix.CLONE_NEWUSER}, "execute " + data + ": exec format error", unix.ENOEXEC},
		"clone flags":     {Command{New: unix.CLONE_NEWUSER, Cgroup: file}, "clone user namespace: bad file descriptor", unix.EBADF},
		"placed":          {Command{New: all, Placed: func(int) error { return own }}, "own error", own},
		"mapped":          {Command{New: all, Mapped: func(int) error { return own }}, "own error", own},
		"mapped, no join": {Command{New: unix.CLONE_NEWUSER, Mapped: func(int) error { return own }}, "own error", own},
		"killed": {Command{Placed: func(pid int) error {
			p := Process{Pid: pid}
			err := unix.Kill(pid, unix.SIGKILL)
			p.Ended()
			return err
		}}, "child ended early: signal: SIGKILL", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryStart(t, &test.c)
			if test.errno == nil {
				test.errno = err
			}
			checkError(t, err, test.text, test.errno)
		})
	}
	if after := children(t); !slices.Equal(before, after) {
		t.Errorf("children before: %v, after: %v", before, after)
	}
	if _, err := (&Command{Exe: file, Env: []string{"a\x00b"}}).Start(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("NUL byte: %v", err)
	}
}

// children are the pids of all our children, the dead among them.
func children(t *testing.T) (pids []string) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		pids = append(pids, strings.Fields(string(b))...)
	}
	slices.Sort(pids)
	return pids
}

// Neither a start that succeeds nor one that fails leaves a descriptor or a process.
func TestNothingLeft(t *testing.T) {
	needRoot(t)
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	round := func() {
		for _, c := range []*Command{
			{},
			{New: all, Mapped: mapRoot(shift), UserRoot: true},
			{Joins: []Join{{specs.NetworkNamespace, null}}},
			{New: all, Mapped: func(int) error { return io.EOF }},
			{New: unix.CLONE_NEWUSER, Cgroup: null},
		} {
			c.Exe, c.Args, c.Files = exe, []string{"facts"}, []*os.File{nil, nil, os.Stderr}
			p, err := c.Start()
			if err != nil {
				continue
			}
			if status := p.Reap(); status.ExitStatus() != 7 {
				t.Errorf("status %v", status)
			}
			p.Kill() // has nothing to do
			_ = p.Pidfd.Close()
		}
		m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: shift, Size: 1}}
		if f, err := UserNamespace(m, m); err != nil {
			t.Error(err)
		} else {
			_ = f.Close()
		}
	}
	round()
	files, procs := openFiles(t), children(t)
	round()
	if now := openFiles(t); !slices.Equal(now, files) {
		t.Errorf("open files before: %v, after: %v", files, now)
	}
	if now := children(t); !slices.Equal(now, procs) {
		t.Errorf("children before: %v, after: %v", procs, now)
	}
}

func openFiles(t *testing.T) (fds []string) {
	t.Helper()
	runtime.GC()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		fds = append(fds, e.Name())
	}
	return fds
}
