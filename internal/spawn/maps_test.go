package spawn

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

func TestLines(t *testing.T) {
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 4294967295}}
	if got, want := string(lines(m)), "0 1000 1\n1 100000 4294967295\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := lines(nil); len(got) != 0 {
		t.Errorf("no maps: %q", got)
	}
}

func TestFlagNames(t *testing.T) {
	for flags, want := range map[uintptr]string{
		0:                                      "process",
		unix.CLONE_INTO_CGROUP:                 "process",
		unix.CLONE_NEWNET | unix.CLONE_PIDFD:   "network namespace",
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID: "user, pid namespaces",
		unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_FS: "user, mount namespaces",
	} {
		if got := flagNames(flags); got != want {
			t.Errorf("%#x: %q, want %q", flags, got, want)
		}
	}
}

func TestUserNamespace(t *testing.T) {
	needRoot(t)
	before := children(t)
	uids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 7000, Size: 10}, {ContainerID: 10, HostID: 8000, Size: 1}}
	gids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 9000, Size: 10}}
	f, err := UserNamespace(uids, gids)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after := children(t); strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("children before: %v, after: %v", before, after)
	}
	s := start(t, &Command{Privileged: true, UserRoot: true, Joins: []Join{{specs.UserNamespace, f}}})
	if s.UIDMap != "0 7000 10 10 8000 1" {
		t.Errorf("uid map %q", s.UIDMap)
	}
	checkChild(t, s)
	overlap := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 7000, Size: 10}, {ContainerID: 5, HostID: 8000, Size: 10}}
	_, err = UserNamespace(overlap, gids)
	checkError(t, err, "write uid_map: invalid argument", unix.EINVAL)
	if f := fault.Of(err); f.Field != "linux.uidMappings" || f.Hint == "" {
		t.Errorf("field %q, hint %q", f.Field, f.Hint)
	}
}

// asUser runs f on a thread that belongs to an unprivileged user. The thread ends with it.
func asUser(uid int, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			panic(errno)
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			panic(errno)
		}
		// A change of IDs gives the process's files in /proc to root.
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			panic(err)
		}
		f()
	}()
	<-done
}

const nobody = 65534

// one maps an ID inside to the one outside.
func one(inside, outside uint32) []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: inside, HostID: outside, Size: 1}}
}

// Who is not root can map himself, without any program's help.
func TestUnprivileged(t *testing.T) {
	needRoot(t)
	t.Setenv("PATH", t.TempDir())
	exe := self(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	asUser(nobody, func() {
		c := &Command{
			Exe: exe, Args: []string{"facts"}, Files: []*os.File{nil, write, os.Stderr},
			New: unix.CLONE_NEWUSER | later&^unix.CLONE_NEWNET | unix.CLONE_NEWTIME, UserRoot: true,
			TimeOffsets: []byte("boottime 1000 0\n"),
			Mapped:      func(pid int) error { return WriteMaps(pid, one(0, nobody), one(0, nobody), false) },
		}
		p, err := c.Start()
		if err != nil {
			t.Error(err)
			return
		}
		p.Reap()
		_ = p.Pidfd.Close()
		_, err = (&Command{Exe: exe, Args: []string{"facts"}, New: unix.CLONE_NEWUTS}).Start()
		checkError(t, err, "unshare uts namespace: operation not permitted", unix.EPERM)
		if h := fault.Of(err).Hint; !strings.Contains(h, "who is not root needs a user namespace") {
			t.Errorf("hint %q", h)
		}
		// The child has ended before it is placed: why counts, whatever that says.
		for i := range 100 {
			_, err = (&Command{Exe: exe, New: unix.CLONE_NEWUTS, Placed: func(pid int) error {
				switch i % 3 {
				case 0:
					(&Process{Pid: pid}).Ended()
				case 1:
					(&Process{Pid: pid}).Ended()
					return unix.ESRCH
				}
				return nil // at the same time
			}}).Start()
			checkError(t, err, "unshare uts namespace: operation not permitted", unix.EPERM)
		}
	})
	_ = write.Close()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !strings.Contains(line, `"UIDMap":"0 65534 1"`) || !strings.Contains(line, `"UID":0,"GID":0`) {
		t.Errorf("facts: %s", line)
	}
}

// Ranges are for newuidmap and newgidmap, which are found and given the lines as arguments.
func TestHelpers(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		script := "#!/bin/sh\necho \"$@\" >\"$0.args\"\n[ \"$2\" != 13 ] || { echo refused; exit 1; }\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	ranges := []specs.LinuxIDMapping{{ContainerID: 0, HostID: nobody, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	var ok, refused, missing error
	asUser(nobody, func() {
		ok = WriteMaps(4711, ranges, one(0, 100), false)
		refused = WriteMaps(4711, one(13, 100), one(0, 100), false)
		if err := os.Setenv("PATH", "/nonexistent"); err == nil {
			missing = WriteMaps(4711, ranges, ranges, false)
		}
	})
	if ok != nil {
		t.Fatal(ok)
	}
	for name, want := range map[string]string{"newuidmap": "4711 13 100 1", "newgidmap": "4711 0 100 1"} {
		got, err := os.ReadFile(filepath.Join(dir, name+".args"))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s %q, %v, want %q", name, got, err, want)
		}
	}
	if refused == nil || !strings.Contains(refused.Error(), "newuidmap: exit status 1: refused") {
		t.Errorf("refused: %v", refused)
	}
	if missing == nil || !strings.Contains(missing.Error(), "newuidmap") || fault.Of(missing).Field != "linux.uidMappings" {
		t.Errorf("missing: %v", missing)
	}
}

// A map without lines is not written: the namespace may have been given by path, with maps of its own.
func TestNoMaps(t *testing.T) {
	if err := WriteMaps(os.Getpid(), nil, nil, false); err != nil {
		t.Error(err)
	}
	if err := WriteMaps(os.Getpid(), nil, nil, true); err != nil {
		t.Error(err)
	}
	if !single(nil, 1) || !single(one(0, 1), 1) || single(one(0, 2), 1) {
		t.Error("single")
	}
}
