package spawn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// openFilesLimit lets the test binary load libraries: with -race it is linked dynamically.
const openFilesLimit = 64

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
	c.Args, c.OpenFiles = []string{"facts"}, openFilesLimit
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

func TestNew(t *testing.T) {
	needRoot(t)
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	sets := []uintptr{0, later, all, all &^ unix.CLONE_NEWTIME, all &^ unix.CLONE_NEWPID}
	for i := range flags {
		sets = append(sets, flags[i].flag, flags[i].flag|unix.CLONE_NEWUSER)
	}
	for _, set := range sets {
		t.Run(flagNames(set), func(t *testing.T) {
			var order []string
			c := &Command{
				New: set, Privileged: true, UserRoot: set&unix.CLONE_NEWUSER != 0,
				Placed: func(int) error { order = append(order, "placed"); return nil },
				Mapped: func(pid int) error { order = append(order, "mapped"); return mapRoot(shift)(pid) },
			}
			s := start(t, c)
			checkNamespaces(t, s, set)
			want := []string{"placed"}
			if set&unix.CLONE_NEWUSER != 0 {
				want = append(want, "mapped")
				if s.UIDMap != "0 100000 65536" || s.UID != 0 || s.GID != 0 || len(s.Groups) != 0 {
					t.Errorf("uid %d, gid %d, groups %v, map %q", s.UID, s.GID, s.Groups, s.UIDMap)
				}
				const mqueue = unix.CLONE_NEWIPC | unix.CLONE_NEWNS
				if set&mqueue == mqueue && s.MqueueUID != 0 {
					t.Errorf("mqueue belongs to %d, want 0", s.MqueueUID)
				}
			}
			if !slices.Equal(order, want) {
				t.Errorf("called %v, want %v", order, want)
			}
			if isInit := s.facts.Pid == 1; isInit != (set&unix.CLONE_NEWPID != 0) {
				t.Errorf("pid inside: %d", s.facts.Pid)
			}
			checkChild(t, s)
		})
	}
}

// checkChild checks what holds for all: it is our child, leads a session, has no signal blocked, and can be waited for.
func checkChild(t *testing.T, s *started) {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.Process.Pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if ppid, sid := f[1], f[3]; ppid != strconv.Itoa(os.Getpid()) || sid != strconv.Itoa(s.Process.Pid) {
		t.Errorf("pid %d: parent %s, want %d; session %s, want its own", s.Process.Pid, ppid, os.Getpid(), sid)
	}
	if strings.Trim(s.Blocked, "0") != "" {
		t.Errorf("blocked signals: %s", s.Blocked)
	}
	if status := s.finish(); status.ExitStatus() != 7 {
		t.Errorf("status %v, want exit 7", status)
	}
}

// target is a process in namespaces of its own, all but pid when it has time: the latter two together are seldom.
func target(t *testing.T, set uintptr) *started {
	t.Helper()
	return start(t, &Command{New: set, Privileged: true, UserRoot: set&unix.CLONE_NEWUSER != 0, Mapped: mapRoot(shift)})
}

func openNS(t *testing.T, pid int, kind specs.LinuxNamespaceType) *os.File {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", pid, nsFiles[kind]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestJoin(t *testing.T) {
	needRoot(t)
	with := target(t, later|unix.CLONE_NEWUSER|unix.CLONE_NEWTIME)
	without := target(t, later|unix.CLONE_NEWTIME)
	for i := range flags {
		n := flags[i]
		t.Run(string(n.kind), func(t *testing.T) {
			of := without
			if n.flag == unix.CLONE_NEWUSER {
				of = with
			}
			c := &Command{Privileged: true, UserRoot: n.flag == unix.CLONE_NEWUSER}
			c.Joins = []Join{{n.kind, openNS(t, of.Process.Pid, n.kind)}}
			s := start(t, c)
			if s.Namespaces[n.kind] != of.Namespaces[n.kind] {
				t.Errorf("%s, want %s", s.Namespaces[n.kind], of.Namespaces[n.kind])
			}
			checkNamespaces(t, s, n.flag)
			checkChild(t, s)
		})
	}
	t.Run("all", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true}
		for i := range flags {
			c.Joins = append(c.Joins, Join{flags[i].kind, openNS(t, with.Process.Pid, flags[i].kind)})
		}
		s := start(t, c)
		for kind, ns := range with.Namespaces {
			if s.Namespaces[kind] != ns {
				t.Errorf("%s, want %s", s.Namespaces[kind], ns)
			}
		}
		if s.UID != 0 || s.UIDMap != "0 100000 65536" {
			t.Errorf("uid %d, map %q", s.UID, s.UIDMap)
		}
		checkChild(t, s)
	})
	t.Run("user, new others", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true, New: later}
		c.Joins = []Join{{specs.UserNamespace, openNS(t, with.Process.Pid, specs.UserNamespace)}}
		s := start(t, c)
		checkNamespaces(t, s, later|unix.CLONE_NEWUSER)
		if s.Namespaces[specs.UserNamespace] != with.Namespaces[specs.UserNamespace] || s.MqueueUID != 0 || s.facts.Pid != 1 {
			t.Errorf("%s, mqueue of %d, pid %d", s.Namespaces[specs.UserNamespace], s.MqueueUID, s.facts.Pid)
		}
		checkChild(t, s)
	})
	t.Run("network, new others and user", func(t *testing.T) {
		c := &Command{Privileged: true, UserRoot: true, New: later&^unix.CLONE_NEWNET | unix.CLONE_NEWUSER, Mapped: mapRoot(shift)}
		c.Joins = []Join{{specs.NetworkNamespace, openNS(t, without.Process.Pid, specs.NetworkNamespace)}}
		s := start(t, c)
		checkNamespaces(t, s, later|unix.CLONE_NEWUSER)
		if s.UID != 0 || s.facts.Pid != 1 || s.MqueueUID != 0 {
			t.Errorf("uid %d, pid %d, mqueue of %d", s.UID, s.facts.Pid, s.MqueueUID)
		}
		checkChild(t, s)
	})
	t.Run("own user namespace", func(t *testing.T) {
		c := &Command{Privileged: true, Joins: []Join{{specs.UserNamespace, openNS(t, os.Getpid(), specs.UserNamespace)}}}
		checkChild(t, start(t, c))
	})
}

func TestJoinPid(t *testing.T) {
	needRoot(t)
	all := uintptr(later | unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	for _, set := range []uintptr{later, later | unix.CLONE_NEWUSER, all} {
		t.Run(flagNames(set), func(t *testing.T) {
			of := target(t, set)
			s := start(t, &Command{
				Privileged: true, JoinPid: of.Pidfd, JoinFlags: set, UserRoot: set&unix.CLONE_NEWUSER != 0,
			})
			for kind, ns := range of.Namespaces {
				if s.Namespaces[kind] != ns {
					t.Errorf("%s, want %s", s.Namespaces[kind], ns)
				}
			}
			if s.facts.Pid == 1 {
				t.Error("pid inside is 1")
			}
			checkChild(t, s)
		})
	}
}

func TestTimeOffsets(t *testing.T) {
	needRoot(t)
	const ahead = 1_000_000
	for _, user := range []uintptr{0, unix.CLONE_NEWUSER} {
		s := start(t, &Command{
			New: unix.CLONE_NEWTIME | user, Privileged: true, UserRoot: user != 0, Mapped: mapRoot(shift),
			TimeOffsets: []byte(fmt.Sprintf("boottime %d 0\nmonotonic %d 0\n", ahead, ahead)),
		})
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
			t.Fatal(err)
		}
		if d := s.Boot - now.Sec; d < ahead-600 || d > ahead {
			t.Errorf("boot time is %d s ahead, want %d", d, ahead)
		}
		checkChild(t, s)
	}
	_, err := tryStart(t, &Command{New: unix.CLONE_NEWTIME, Privileged: true, TimeOffsets: []byte("nonsense")})
	checkError(t, err, "set time offsets: invalid argument", unix.EINVAL)
}

func TestCgroup(t *testing.T) {
	needRoot(t)
	root := "/sys/fs/cgroup"
	var fs unix.Statfs_t
	if unix.Statfs(root, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		root = "/sys/fs/cgroup/unified"
		if unix.Statfs(root, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
			t.Skip("no cgroup v2 is mounted")
		}
	}
	path := filepath.Join(root, "mydocker-spawn-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Skip("no cgroup can be made: ", err)
	}
	t.Cleanup(func() {
		// The kernel takes a moment to account the end of the last process.
		for range 100 {
			if err := unix.Rmdir(path); err != unix.EBUSY {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s := start(t, &Command{Cgroup: dir, New: unix.CLONE_NEWPID})
	if !strings.Contains(s.Cgroup, "0::/"+filepath.Base(path)+"\n") {
		t.Errorf("cgroups:\n%s", s.Cgroup)
	}
	checkChild(t, s)
	// With a namespace made after it was placed, the cgroup is the root.
	s = start(t, &Command{Cgroup: dir, New: unix.CLONE_NEWCGROUP})
	if !strings.Contains(s.Cgroup, "0::/\n") {
		t.Errorf("cgroups:\n%s", s.Cgroup)
	}
	checkChild(t, s)
}

// Whatever numbers the descriptors have here, they come in the order of Files, and no others come.
func TestFiles(t *testing.T) {
	needRoot(t)
	leaked, err := unix.Open("/", unix.O_RDONLY, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	dir := t.TempDir()
	var files []*os.File
	for i := range 4 {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	// Low numbers in another order than their places: duplicates of files at 3, 4, 5 may overwrite each other.
	order := []*os.File{files[3], files[0], nil, files[2], files[1], files[0], nil}
	for _, set := range []uintptr{0, unix.CLONE_NEWPID | unix.CLONE_NEWNS} {
		s := start(t, &Command{Files: slices.Clone(order), New: set})
		for i, f := range order {
			want := "/dev/null"
			if f != nil {
				want = f.Name()
			}
			if got := s.Files[3+i]; got != want {
				t.Errorf("descriptor %d is %s, want %s", 3+i, got, want)
			}
		}
		// Reading the links took one descriptor more at most.
		for i, got := range s.Files[3+len(order):] {
			if got != "" && !strings.HasPrefix(got, "anon_inode:") && !strings.HasPrefix(got, "/proc/") {
				t.Errorf("descriptor %d is open: %s", 3+len(order)+i, got)
			}
		}
		checkChild(t, s)
	}
}

// The three standard descriptors in a circle: each is in another's place.
func TestFilesInACircle(t *testing.T) {
	dir := t.TempDir()
	const n = 24
	var files [n]*os.File
	for i := range files {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	slices.SortFunc(files[:], func(a, b *os.File) int { return int(b.Fd()) - int(a.Fd()) })
	s := start(t, &Command{Files: slices.Clone(files[:])})
	for i := range 13 {
		if s.Files[3+i] != files[i].Name() {
			t.Errorf("descriptor %d is %s, want %s", 3+i, s.Files[3+i], files[i].Name())
		}
	}
	checkChild(t, s)
}

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
			c.OpenFiles = openFilesLimit
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
