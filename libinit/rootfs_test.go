package libinit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/seqpacket"
	"mydocker/internal/wire"
)

// The tests of the steps run them for real: the test binary starts itself again in new namespaces, does the part of
// the plan that belongs to the root filesystem, and then a probe of the test, inside. What a probe returns is the
// result.

const (
	childEnv = "MYDOCKER_TEST_PROBE"
	jobEnv   = "MYDOCKER_TEST_JOB"
)

// firstID is the host's id of root in the user namespaces of the tests.
const firstID = 1 << 20

// job is what the child does.
type job struct {
	Spec    specs.Spec
	Options Options
	Probe   string
	Args    []string

	idmap *os.File // for id mapped mounts
}

// inside is the environment of the steps, for probes that need it.
var inside Env

// probes are run inside the container, after the root filesystem's steps.
var probes = map[string]func(args []string) (string, error){
	"mountinfo": func([]string) (string, error) { return fromProc("self/mountinfo") },
	"stat": func(args []string) (string, error) {
		var all []string
		for _, name := range args {
			fi, err := os.Lstat(name)
			if err != nil {
				all = append(all, name+" "+errors.Unwrap(err).Error())
				continue
			}
			st := fi.Sys().(*syscall.Stat_t)
			all = append(all, fmt.Sprintf("%s %s %d:%d %d,%d", name, fi.Mode(), st.Uid, st.Gid, unix.Major(st.Rdev), unix.Minor(st.Rdev)))
		}
		return strings.Join(all, "\n"), nil
	},
	"read": func(args []string) (string, error) {
		var all []string
		for _, name := range args {
			b, err := os.ReadFile(name)
			if err != nil {
				all = append(all, errors.Unwrap(err).Error())
				continue
			}
			all = append(all, string(b))
		}
		return strings.Join(all, "\n"), nil
	},
	"write": func(args []string) (string, error) {
		var all []string
		for _, name := range args {
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
			if err != nil {
				all = append(all, errors.Unwrap(err).Error())
				continue
			}
			_ = f.Close()
			all = append(all, "written")
		}
		return strings.Join(all, "\n"), nil
	},
	"private proc": func([]string) (string, error) { return fromProc("self/comm") },
	// Root can leave a chroot: with a directory outside of a second one it walks up to the root of all mounts.
	"leave chroot": func(args []string) (string, error) {
		if err := os.Mkdir("/below", 0o755); err != nil {
			return "", err
		}
		if err := unix.Chroot("/below"); err != nil {
			return "", err
		}
		for range 32 {
			if err := unix.Chdir(".."); err != nil {
				return "", err
			}
		}
		var all []string
		for _, name := range args {
			_, err := os.Lstat(name)
			all = append(all, fmt.Sprintf("%s %v", name, err == nil))
		}
		return strings.Join(all, "\n"), nil
	},
	"ls": func(args []string) (string, error) {
		var all []string
		for _, name := range args {
			entries, err := os.ReadDir(name)
			if err != nil {
				return "", err
			}
			for _, e := range entries {
				all = append(all, e.Name())
			}
		}
		return strings.Join(all, " "), nil
	},
}

// fromProc reads a file of the private procfs.
func fromProc(name string) (string, error) {
	proc, err := inside.Proc()
	if err != nil {
		return "", err
	}
	fd, err := unix.Openat(int(proc.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(f)
	return string(b), err
}

// TestInside is the child's side of try: it is nothing in a run of the tests.
func TestInside(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("the other tests run this one in a process of its own")
	}
	runtime.LockOSThread()
	out, err := child()
	if err != nil {
		_, _ = fmt.Fprint(os.NewFile(4, "error"), err)
		os.Exit(1)
	}
	_, _ = fmt.Fprint(os.NewFile(3, "result"), out)
	os.Exit(0)
}

func child() (string, error) {
	var j job
	if err := json.Unmarshal([]byte(os.Getenv(jobEnv)), &j); err != nil {
		return "", err
	}
	plan, err := rootPlan(&j.Spec, &j.Options)
	if err != nil {
		return "", err
	}
	// The plan crosses to init in this form.
	if plan, err = Decode(plan.Encode()); err != nil {
		return "", err
	}
	e := &inside
	*e = Env{Conn: seqpacket.New(os.NewFile(5, "parent"))}
	for _, entry := range plan {
		if err := entry.Step.Do(e); err != nil {
			return "", err
		}
	}
	return probes[j.Probe](j.Args)
}

// rootPlan is the part of the plan that makes the root filesystem.
func rootPlan(spec *specs.Spec, opts *Options) (Plan, error) {
	return build(&planner{spec: spec, opts: opts},
		(*planner).rootfs, (*planner).mounts, (*planner).devices, (*planner).pivot, (*planner).readonly, (*planner).mask)
}

// try runs a job in new namespaces.
func try(t *testing.T, j *job) (string, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	if j.Spec.Root == nil {
		j.Spec.Root = &specs.Root{Path: t.TempDir()}
	}
	if j.Options.Cgroup == 0 {
		j.Options.Cgroup = CgroupV1
	}
	b, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestInside$")
	cmd.Args[0] = os.Args[0]
	result, failure := tempFile(t), tempFile(t)
	conn, end, err := seqpacket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	cmd.ExtraFiles = []*os.File{result, failure, end}
	// With -race a process sleeps a second before it ends, unless told not to.
	cmd.Env = append(os.Environ(), childEnv+"=1", jobEnv+"="+string(b), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	if j.Spec.Linux != nil && slices.Contains(j.Spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace}) {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWCGROUP
	}
	if j.Options.UserNamespace {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstID, Size: 1 << 16}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = m, m
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true}
	}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = end.Close()
	serve(t, conn, j)
	err = cmd.Wait()
	if text := contents(t, failure); text != "" {
		return "", errors.New(text)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output.String())
	}
	return contents(t, result), nil
}

// serve is the parent: it opens the sources that the child asks for, until the child ends.
func serve(t *testing.T, conn *seqpacket.Conn, j *job) {
	t.Helper()
	for {
		m, err := conn.Receive()
		if err != nil {
			return
		}
		var want Source
		if err := wire.Unmarshal(m.Body, &want); err != nil || m.Kind != MsgSource {
			t.Errorf("message of kind %d: %v", m.Kind, err)
			return
		}
		f, err := OpenSource(&j.Spec, want.Mount, j.Options.Bundle, j.idmap)
		if err != nil {
			err = conn.Send(MsgFailure, wire.Marshal(nil, AsFailure(err)))
		} else {
			err = conn.Send(MsgDone, nil, f)
			_ = f.Close()
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func contents(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, j *job) string {
	t.Helper()
	out, err := try(t, j)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mount is a mount of a spec.
func mount(kind, source, dest string, options ...string) specs.Mount {
	return specs.Mount{Type: kind, Source: source, Destination: dest, Options: options}
}

// rootDir makes a root filesystem of directories, names that end in a slash, and empty files.
func rootDir(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func spec(root string, mounts ...specs.Mount) specs.Spec {
	return specs.Spec{
		Root: &specs.Root{Path: root}, Mounts: mounts,
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
}

// defaultMounts are those that `spec` writes.
func defaultMounts() []specs.Mount {
	return []specs.Mount{
		mount("proc", "proc", "/proc"),
		mount("tmpfs", "tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k"),
		mount("devpts", "devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
		mount("tmpfs", "shm", "/dev/shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
		mount("mqueue", "mqueue", "/dev/mqueue", "nosuid", "noexec", "nodev"),
		mount("sysfs", "sysfs", "/sys", "nosuid", "noexec", "nodev", "ro"),
		mount("cgroup", "cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
	}
}

func defaultSpec(root string) specs.Spec {
	s := spec(root, defaultMounts()...)
	s.Root.Readonly = true
	s.Linux.MaskedPaths = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"}
	s.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	return s
}

// mountLine gives the line of mountinfo for a mount point, the topmost one, without ids.
func mountLine(t *testing.T, mountinfo, point string) string {
	t.Helper()
	var found string
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == point {
			found = strings.Join(f[3:], " ")
		}
	}
	if found == "" {
		t.Errorf("nothing is mounted at %s:\n%s", point, mountinfo)
	}
	return found
}

func TestDefaultContainer(t *testing.T) {
	out := must(t, &job{Spec: defaultSpec(rootDir(t)), Probe: "mountinfo"})
	for point, want := range map[string]string{
		"/dev":             "/ /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
		"/dev/pts":         "/ /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666",
		"/dev/shm":         "/ /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k",
		"/dev/mqueue":      "/ /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw",
		"/sys":             "/ /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs rw",
		"/proc/sys":        "/sys /proc/sys ro,relatime - proc proc rw",
		"/proc/keys":       "/null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
		"/proc/timer_list": "/null /proc/timer_list rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
	} {
		if got := mountLine(t, out, point); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := mountLine(t, out, "/"); !strings.Contains(got, " / ro,") {
		t.Errorf("the root is not read-only: %s", got)
	}
	if strings.Contains(out, "tmpfs /dev/shm ") || strings.Count(out, " / ro,") != 1 {
		t.Errorf("mounts of the host are there still:\n%s", out)
	}
}
