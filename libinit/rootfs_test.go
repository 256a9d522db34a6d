package libinit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The tests of the steps run them for real: the test binary starts itself again in new namespaces, does the part of
// the plan that belongs to the root filesystem, and then a probe of the test, inside. What a probe returns is the
// result.

const (
	childEnv = "MYDOCKER_TEST_PROBE"
	jobEnv   = "MYDOCKER_TEST_JOB"
)

// job is what the child does.
type job struct {
	Spec    specs.Spec
	Options Options
	Probe   string
	Args    []string
}

// probes are run inside the container, after the root filesystem's steps. Before them runs what "before" holds
// under the same name, when the child has its namespaces and nothing else.
var probes = map[string]func(args []string) (string, error){
	"mountinfo": func([]string) (string, error) {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return "", err
		}
		b, err := os.ReadFile("/proc/self/mountinfo")
		return string(b), err
	},
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

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread()
	out, err := child()
	if err != nil {
		fmt.Fprint(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(out)
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
	var e Env
	for _, entry := range plan {
		if err := entry.Step.Do(&e); err != nil {
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
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), childEnv+"=1", jobEnv+"="+string(b))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	if j.Options.UserNamespace {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = m, m
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s", stderr.String())
	}
	return stdout.String(), nil
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
	return specs.Spec{Root: &specs.Root{Path: root}, Mounts: mounts, Linux: &specs.Linux{}}
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

func TestDefaultContainer(t *testing.T) {
	out := must(t, &job{Spec: defaultSpec(rootDir(t)), Probe: "mountinfo"})
	t.Log(out)
}
