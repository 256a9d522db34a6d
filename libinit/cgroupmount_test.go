package libinit

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestParseCgroups(t *testing.T) {
	got := parseCgroups("12:cpu,cpuacct:/docker/a:b\n2:name=systemd:/\n0::/user.slice\n\nbroken\n")
	want := []hierarchy{{[]string{"cpu", "cpuacct"}, "/docker/a:b"}, {[]string{"name=systemd"}, "/"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(hierarchy{})); d != "" {
		t.Error(d)
	}
	if got[0].directory() != "cpu,cpuacct" || got[1].directory() != "systemd" {
		t.Errorf("directories %q, %q", got[0].directory(), got[1].directory())
	}
}

// magicAt skips the test when the host has another layout of cgroups.
func magicAt(t *testing.T, path string, magic int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil || int64(st.Type) != magic { //nolint:unconvert // another type on other architectures
		t.Skipf("%s is not the kind of filesystem that this test needs", path)
	}
}

func cgroupSpec(t *testing.T, private bool, kind string) specs.Spec {
	t.Helper()
	s := spec(rootDir(t, "proc/", "sys/fs/cgroup/"), mount(kind, "cgroup", "/sys/fs/cgroup", "ro", "nosuid", "noexec", "nodev", "relatime"))
	if private {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return s
}

func TestCgroupHierarchies(t *testing.T) {
	magicAt(t, "/sys/fs/cgroup/memory", unix.CGROUP_SUPER_MAGIC)
	own, err := os.MkdirTemp("/sys/fs/cgroup/memory", "mydocker-test-")
	if err != nil {
		t.Skip("no right to make cgroups: ", err)
	}
	defer func() { _ = unix.Rmdir(own) }()
	for _, private := range []bool{true, false} {
		j := &job{Spec: cgroupSpec(t, private, "cgroup"), Probe: "mountinfo"}
		j.Options.CgroupPaths = map[string]string{"memory": strings.TrimPrefix(own, "/sys/fs/cgroup/memory")}
		out := must(t, j)
		line := mountLine(t, out, "/sys/fs/cgroup/memory")
		if !strings.Contains(line, " ro,nosuid,nodev,noexec,relatime - cgroup cgroup rw,memory") {
			t.Errorf("private %v: got %s", private, line)
		}
		if want := j.Options.CgroupPaths["memory"] + " "; !private && !strings.HasPrefix(line, want) {
			t.Errorf("got %s, want the root %s", line, want)
		}
		if line := mountLine(t, out, "/sys/fs/cgroup"); !strings.Contains(line, "ro,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755") {
			t.Errorf("got %s", line)
		}
	}
}

func TestCgroupHierarchiesOfAUserNamespace(t *testing.T) {
	magicAt(t, "/sys/fs/cgroup/memory", unix.CGROUP_SUPER_MAGIC)
	for _, private := range []bool{true, false} {
		s := cgroupSpec(t, private, "cgroup")
		u := userSpec(t, s.Mounts...)
		u.Linux.Namespaces = append(u.Linux.Namespaces, s.Linux.Namespaces...)
		out, err := try(t, &job{Spec: u, Options: Options{UserNamespace: true, RootlessCaller: true}, Probe: "ls", Args: []string{"/sys/fs/cgroup/memory"}})
		if err != nil || !strings.Contains(out, "cgroup.procs") {
			t.Errorf("private %v: got %s, %v", private, out, err)
		}
	}
}

func TestCgroupTree(t *testing.T) {
	where, mode := "/sys/fs/cgroup", CgroupV2
	var st unix.Statfs_t
	if err := unix.Statfs(where, &st); err == nil && st.Type != unix.CGROUP2_SUPER_MAGIC {
		where, mode = "/sys/fs/cgroup/unified", CgroupV1
	}
	magicAt(t, where, unix.CGROUP2_SUPER_MAGIC)
	for _, private := range []bool{true, false} {
		out := must(t, &job{Spec: cgroupSpec(t, private, "cgroup2"), Options: Options{Cgroup: mode}, Probe: "mountinfo"})
		if line := mountLine(t, out, "/sys/fs/cgroup"); !strings.Contains(line, "/sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 ") {
			t.Errorf("private %v: got %s", private, line)
		}
	}
	// A user namespace may not mount the tree of a cgroup namespace that is not its own: it gets its cgroup bound.
	s := cgroupSpec(t, false, "cgroup2")
	u := userSpec(t, s.Mounts...)
	u.Linux.Namespaces = append(u.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace, Path: "/proc/1/ns/cgroup"})
	out, err := try(t, &job{Spec: u, Options: Options{Cgroup: mode, UserNamespace: true, CgroupPaths: map[string]string{"": "/"}}, Probe: "ls", Args: []string{"/sys/fs/cgroup"}})
	if err != nil || !strings.Contains(out, "cgroup.procs") {
		t.Errorf("got %s, %v", out, err)
	}
}
