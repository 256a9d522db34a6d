package libinit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// userSpec is a spec of a container in a user namespace, with a root filesystem that belongs to its root.
func userSpec(t *testing.T, mounts ...specs.Mount) specs.Spec {
	t.Helper()
	root := rootDir(t, "proc/", "file")
	if os.Getuid() != 0 {
		t.Skip("needs root to map ids")
	}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, firstID, firstID)
	})
	if err != nil {
		t.Fatal(err)
	}
	openPath(t, root)
	s := spec(root, mounts...)
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstID, Size: 1 << 16}}
	s.Linux.GIDMappings = s.Linux.UIDMappings
	return s
}

// openPath lets everyone through to dir, a temporary directory of the test.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUserNamespace(t *testing.T) {
	for name, rootless := range map[string]bool{"root": false, "rootless": true} {
		t.Run(name, func(t *testing.T) {
			host := hostDir(t)
			openPath(t, host)
			s := userSpec(t, append(defaultMounts()[:6:6], mount("none", host, "/data", "rbind", "ro", "nosuid"))...)
			s.Linux.MaskedPaths = []string{"/proc/keys", "/sys/firmware", "/proc/acpi"}
			s.Linux.ReadonlyPaths = []string{"/proc/sys"}
			j := &job{Spec: s, Options: Options{UserNamespace: true, RootlessCaller: rootless}, Probe: "stat",
				Args: []string{"/", "/dev/null", "/dev/tty", "/dev/ptmx", "/proc/keys", "/data/file"}}
			want := "/ drwxr-xr-x 0:0 0,0\n/dev/null Dcrw-rw-rw- 65534:65534 1,3\n/dev/tty Dcrw-rw-rw- 65534:65534 5,0\n" +
				"/dev/ptmx Lrwxrwxrwx 0:0 0,0\n/proc/keys Dcrw-rw-rw- 65534:65534 1,3\n/data/file -rw-r--r-- 65534:65534 0,0"
			if out := must(t, j); out != want {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
			j.Probe, j.Args = "mountinfo", nil
			if line := mountLine(t, must(t, j), "/data"); !strings.Contains(line, "/data ro,nosuid") {
				t.Errorf("got %s", line)
			}
		})
	}
}

// TestUnreachableSources has sources and a root filesystem below a directory that the container's root may not
// search: the parent opens them.
func TestUnreachableSources(t *testing.T) {
	host := hostDir(t)
	s := userSpec(t, mount("none", host, "/data", "bind"), mount("none", host+"/file", "/file", "bind"))
	if err := os.Chmod(filepath.Dir(s.Root.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, noPivot := range []bool{false, true} {
		j := &job{Spec: s, Options: Options{UserNamespace: true, NoPivot: noPivot}, Probe: "read", Args: []string{"/data/file", "/file"}}
		if out := must(t, j); out != "host\nhost" {
			t.Errorf("got %q", out)
		}
	}
}

// usernsFor makes a user namespace with a mapping, and lets its process go.
func usernsFor(t *testing.T, first int) *os.File {
	t.Helper()
	cmd := exec.Command("/bin/cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 1 << 16}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: m, GidMappings: m}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/user")
	_ = in.Close()
	_ = cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestIDMap(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to map ids")
	}
	host := hostDir(t)
	for _, option := range []string{"idmap", "ridmap", ""} {
		m := mount("none", host, "/data", "rbind")
		if option != "" {
			m.Options = append(m.Options, option)
		}
		m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 1 << 16}}
		m.GIDMappings = m.UIDMappings
		s := spec(rootDir(t, "proc/"), m)
		if !NeedsIDMap(&s, 0) {
			t.Error("the mount needs no id map")
		}
		j := &job{Spec: s, Probe: "stat", Args: []string{"/data/file"}, idmap: usernsFor(t, 5000)}
		out, err := try(t, j)
		if err != nil && strings.Contains(err.Error(), "invalid argument") {
			t.Skipf("the filesystem of %s has no id mapped mounts: %v", host, err)
		}
		if err != nil || out != "/data/file -rw-r--r-- 5000:5000 0,0" {
			t.Errorf("%q: got %s, %v", option, out, err)
		}
	}
	// Without mappings of its own it takes those of the container.
	s := userSpec(t, mount("none", host, "/data", "bind", "idmap"))
	j := &job{Spec: s, Options: Options{UserNamespace: true}, Probe: "stat", Args: []string{"/data/file"}, idmap: usernsFor(t, firstID)}
	if out := must(t, j); out != "/data/file -rw-r--r-- 0:0 0,0" {
		t.Errorf("got %s", out)
	}
}

// TestLockedFlags asks for less than the host grants.
func TestLockedFlags(t *testing.T) {
	s := userSpec(t, mount("none", "/proc/self", "/x", "rbind", "rw"))
	ro := userSpec(t, mount("proc", "proc", "/proc"), mount("none", "/sys", "/sys", "rbind", "ro", "nosuid", "noexec", "nodev"))
	if _, err := try(t, &job{Spec: s, Options: Options{UserNamespace: true, RootlessCaller: true}, Probe: "stat"}); err != nil {
		t.Errorf("rw of what is writable: %v", err)
	}
	out := must(t, &job{Spec: ro, Options: Options{UserNamespace: true, RootlessCaller: true}, Probe: "mountinfo"})
	if line := mountLine(t, out, "/sys"); !strings.Contains(line, "ro,nosuid,nodev,noexec") {
		t.Errorf("got %s", line)
	}
}
