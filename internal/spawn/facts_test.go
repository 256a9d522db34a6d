package spawn

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// What the tests start is the test binary, which does here what its first argument says.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case "facts":
		tellFacts()
	case "orphan":
		leaveOrphan()
	default:
		os.Exit(m.Run())
	}
}

// facts is what a started process sees of itself.
type facts struct {
	Namespaces map[specs.LinuxNamespaceType]string
	Pid        int
	SID        int
	UID, GID   int
	Groups     []int
	UIDMap     string
	Files      []string // what descriptors 0, 1, … are, "" for a closed one
	Blocked    string   // the signals, as /proc has them
	Boot       int64    // seconds of CLOCK_BOOTTIME
	MqueueUID  int      // owner of a mount of mqueue
	Cgroup     string
	Env        []string
}

// tellFacts writes its facts to descriptor 1, waits until descriptor 0 is at its end, and exits with status 7.
func tellFacts() {
	// package testing has none of these open yet: it is what the process was given.
	f := facts{Pid: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Env: os.Environ(), MqueueUID: -1}
	for fd := range 16 {
		link, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		f.Files = append(f.Files, link)
	}
	f.Groups, _ = os.Getgroups()
	f.SID, _ = unix.Getsid(0)
	f.Namespaces = namespacesOf("self")
	status, _ := os.ReadFile("/proc/thread-self/status")
	_, rest, _ := strings.Cut(string(status), "SigBlk:\t")
	f.Blocked, _, _ = strings.Cut(rest, "\n")
	m, _ := os.ReadFile("/proc/self/uid_map")
	f.UIDMap = strings.Join(strings.Fields(string(m)), " ")
	g, _ := os.ReadFile("/proc/self/cgroup")
	f.Cgroup = string(g)
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	f.Boot = now.Sec
	f.mqueue()
	if err := json.NewEncoder(os.NewFile(1, "facts")).Encode(&f); err != nil {
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.NewFile(0, "end"))
	os.Exit(7)
}

func (f *facts) mqueue() {
	fs, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if err != nil || unix.FsconfigCreate(fs) != nil {
		return
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return
	}
	var stat unix.Stat_t
	if unix.Fstat(mount, &stat) == nil {
		f.MqueueUID = int(stat.Uid)
	}
}

var nsFiles = map[specs.LinuxNamespaceType]string{
	specs.UserNamespace: "user", specs.PIDNamespace: "pid", specs.MountNamespace: "mnt", specs.UTSNamespace: "uts",
	specs.IPCNamespace: "ipc", specs.NetworkNamespace: "net", specs.CgroupNamespace: "cgroup", specs.TimeNamespace: "time",
}

func namespacesOf(pid string) map[specs.LinuxNamespaceType]string {
	all := map[specs.LinuxNamespaceType]string{}
	for t, name := range nsFiles {
		all[t], _ = os.Readlink("/proc/" + pid + "/ns/" + name)
	}
	return all
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("making namespaces needs root")
	}
}

func self(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// started is a process that has told its facts and waits.
type started struct {
	facts
	*Process
	stdin *os.File
}

// finish lets the process end and returns its status.
func (s *started) finish() unix.WaitStatus {
	_ = s.stdin.Close()
	return s.Reap()
}

// start starts the process that tells facts, with descriptors 0 and 1 of its own before those of c.
func start(t *testing.T, c *Command) *started {
	t.Helper()
	s, err := tryStart(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryStart(t *testing.T, c *Command) (*started, error) {
	t.Helper()
	stdin, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if c.Exe == nil {
		c.Exe = self(t)
	}
	c.Args = []string{"facts"}
	// The runtime is not to read, and keep open, the limits of its cgroup.
	c.Env = append(c.Env, "GOMAXPROCS=1", "GODEBUG=containermaxprocs=0,updatemaxprocs=0")
	c.Files = append([]*os.File{stdin, stdout, os.Stderr}, c.Files...)
	p, err := c.Start()
	_ = stdin.Close()
	_ = stdout.Close()
	if err != nil {
		_ = end.Close()
		return nil, err
	}
	s := &started{Process: p, stdin: end}
	t.Cleanup(func() {
		_ = end.Close()
		p.Kill()
		_ = p.Pidfd.Close()
	})
	if err := json.NewDecoder(out).Decode(&s.facts); err != nil {
		t.Fatalf("process told nothing: %v", err)
	}
	return s, nil
}

// mapRoot maps the IDs from 0 on to themselves plus shift.
func mapRoot(shift uint32) func(pid int) error {
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: shift, Size: 65536}}
	return func(pid int) error { return WriteMaps(pid, m, m, true) }
}

const shift = 100000

// checkNamespaces compares which namespaces are other than ours.
func checkNamespaces(t *testing.T, s *started, want uintptr) {
	t.Helper()
	ours := namespacesOf("self")
	for i := range flags {
		n := flags[i]
		if other := s.Namespaces[n.kind] != ours[n.kind]; other != (want&n.flag != 0) {
			t.Errorf("%s namespace: other than ours: %t, want %t", n.kind, other, !other)
		}
	}
}
