package sealed

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/spawn"
)

// kinds are the copies that Self chooses from.
var kinds = []struct {
	name   string
	open   func() (*Copy, error)
	hidden bool
}{
	{"overlay", func() (*Copy, error) { return overlay(false) }, false},
	{"hidden overlay", func() (*Copy, error) { return overlay(true) }, true},
	{"memfd", func() (*Copy, error) { return memfd(false) }, false},
	{"hidden memfd", func() (*Copy, error) { return memfd(true) }, true},
}

// What the tests start is the test binary, which does here what its first argument says.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case "victim":
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "thief":
		steal(os.Args[1], os.Args[2])
	case "writer":
		overwrite()
	default:
		os.Exit(m.Run())
	}
}

func openCopy(t *testing.T, open func() (*Copy, error)) *Copy {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	f, err := open()
	if err != nil {
		// An older kernel, or a binary that lies on an overlay already.
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestCopies(t *testing.T) {
	want := sum(t, "/proc/self/exe")
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			f := openCopy(t, k.open)
			path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
			if got := sum(t, path); got != want {
				t.Error("copy differs from the binary")
			}
			for _, flags := range []int{os.O_WRONLY, os.O_RDWR | os.O_TRUNC} {
				w, err := os.OpenFile(path, flags, 0)
				if err != nil {
					continue
				}
				if _, err := w.Write([]byte("x")); err == nil {
					t.Errorf("flags %#x: copy can be written", flags)
				}
				_ = w.Close()
			}
			var stat, host unix.Stat_t
			if err := errors.Join(unix.Fstat(int(f.Fd()), &stat), unix.Stat("/proc/self/exe", &host)); err != nil {
				t.Fatal(err)
			}
			if stat.Dev == host.Dev {
				t.Error("copy is on the filesystem of the binary")
			}
			if readable := stat.Mode&0o444 != 0; readable == k.hidden {
				t.Errorf("mode %#o", stat.Mode)
			}
		})
	}
	if got := sum(t, "/proc/self/exe"); got != want {
		t.Error("binary of the host was changed")
	}
}

// A program that runs as the copy tries to write itself, as root with all capabilities: before its end, and after.
func TestOverwrite(t *testing.T) {
	want := sum(t, "/proc/self/exe")
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			f := openCopy(t, k.open)
			path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
			cmd := exec.Command(path)
			cmd.Args = []string{"writer"}
			out, err := cmd.CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
			if got := sum(t, path); got != want {
				t.Error("copy was changed")
			}
			if got := sum(t, "/proc/self/exe"); got != want {
				t.Fatal("binary of the host was changed")
			}
		})
	}
}

// overwrite tries what CVE-2019-5736 did, in a way that also works once the program that is overwritten has ended.
func overwrite() {
	// An old descriptor of a running program can be opened again for writing when the program is gone.
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_TRUNC} {
		for _, path := range []string{"/proc/self/exe", "/proc/self/fd/" + strconv.Itoa(fd)} {
			w, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
			switch {
			case err == unix.ETXTBSY || err == unix.EROFS || err == unix.EPERM || err == unix.EACCES:
			case err != nil:
				fmt.Printf("open %s: %v\n", path, err)
			default:
				if n, err := unix.Write(w, []byte("#!/bin/sh\n")); err == nil {
					fmt.Printf("wrote %d bytes to %s\n", n, path)
				}
			}
		}
	}
	if err := unix.Truncate("/proc/self/exe", 0); err == nil {
		fmt.Println("truncated")
	}
	// The mount of the copy is in no namespace that it could be made writable in.
	attr := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err == nil {
		fmt.Println("made writable")
	}
}

// In a user namespace with others, root of the namespace with all its capabilities gets at init when init runs as a
// plain copy, and does not when it runs as a hidden one.
func TestHidden(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
			victim, _ := run(t, &spawn.Command{
				Exe: openCopy(t, k.open).File, Args: []string{"victim"}, New: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, UserRoot: true,
				Mapped: func(pid int) error { return spawn.WriteMaps(pid, m, m, true) },
			})
			self, err := os.Open("/proc/self/exe")
			if err != nil {
				t.Fatal(err)
			}
			defer self.Close()
			_, got := run(t, &spawn.Command{
				Exe: self, Args: []string{"thief", strconv.Itoa(victim.Pid), "1"}, Privileged: true, UserRoot: true,
				JoinPid: victim.Pidfd, JoinFlags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID,
			})
			want := "exe fd mem ptrace"
			if k.hidden {
				want = ""
			}
			if got != want {
				t.Errorf("root of the user namespace got at %q of init, want %q", got, want)
			}
		})
	}
}

// run starts a command and returns the first line that it prints.
func run(t *testing.T, c *spawn.Command) (*spawn.Process, string) {
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
	c.Files = []*os.File{stdin, stdout, os.Stderr}
	p, err := c.Start()
	_ = stdin.Close()
	_ = stdout.Close()
	if err != nil {
		_ = end.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = end.Close()
		p.Kill()
		_ = p.Pidfd.Close()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", c.Args[0], err)
	}
	return p, strings.TrimSpace(line)
}

// steal prints what of another process it gets at. pid is that of /proc, inner that of its own pid namespace.
func steal(pid, inner string) {
	var got []string
	proc := filepath.Join("/proc", pid)
	if f, err := os.Open(proc + "/exe"); err == nil {
		got = append(got, "exe")
		_ = f.Close()
	}
	if _, err := os.Readlink(proc + "/fd/0"); err == nil {
		got = append(got, "fd")
	}
	if f, err := os.OpenFile(proc+"/mem", os.O_RDWR, 0); err == nil {
		got = append(got, "mem")
		_ = f.Close()
	}
	runtime.LockOSThread()
	n, _ := strconv.Atoi(inner)
	if err := unix.PtraceSeize(n); err == nil {
		got = append(got, "ptrace")
	}
	fmt.Println(strings.Join(got, " "))
}

// A copy is also made where overlays are refused.
func TestSelf(t *testing.T) {
	want := sum(t, "/proc/self/exe")
	for _, hidden := range []bool{false, true} {
		f, err := Self(hidden)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := sum(t, "/proc/self/fd/"+strconv.Itoa(int(f.Fd()))); got != want {
			t.Error("copy differs from the binary")
		}
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}
