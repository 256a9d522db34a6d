package libinit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

func TestRootPropagation(t *testing.T) {
	for value, want := range map[string]string{"": "rw,relatime", "private": "rw,relatime", "rslave": "rw,relatime", "shared": "rw,relatime shared:", "unbindable": "rw,relatime unbindable"} {
		t.Run(value, func(t *testing.T) {
			s := spec(rootDir(t, "proc/"))
			s.Linux.RootfsPropagation = value
			s.Linux.ReadonlyPaths = []string{"/proc"}
			line := mountLine(t, must(t, &job{Spec: s, Probe: "mountinfo"}), "/")
			_, line, _ = strings.Cut(line, " / ")
			got, _, _ := strings.Cut(line, " - ")
			if strings.TrimRight(got, "0123456789") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	s := spec(t.TempDir())
	s.Linux.RootfsPropagation = "none"
	if _, err := planOfRoot(&s); fault.Of(err).Field != "linux.rootfsPropagation" {
		t.Errorf("got %v", err)
	}
}

func TestNoPivot(t *testing.T) {
	s := defaultSpec(rootDir(t))
	out := must(t, &job{Spec: s, Options: Options{NoPivot: true}, Probe: "ls", Args: []string{"/"}})
	if out != "dev proc sys" {
		t.Errorf("/ has %s", out)
	}
}

// TestNoPivotHidesTheHost leaves the chroot, as root can: no full procfs or sysfs may be within reach there.
func TestNoPivotHidesTheHost(t *testing.T) {
	s := spec(rootDir(t, "proc/"))
	out := must(t, &job{Spec: s, Options: Options{NoPivot: true}, Probe: "leave chroot", Args: []string{"proc", "proc/self", "sys", "sys/kernel"}})
	if want := "proc true\nproc/self false\nsys true\nsys/kernel false"; out != want && !strings.HasPrefix(out, "proc true\nproc/self false\nsys false") {
		t.Errorf("got %s", out)
	}
}

// TestHostMountNamespace has a container without a mount namespace: nothing may be mounted, and the root is a chroot.
func TestHostMountNamespace(t *testing.T) {
	plain := func() specs.Spec {
		s := spec(rootDir(t, "file"))
		s.Linux.Namespaces = nil
		return s
	}
	out := must(t, &job{Spec: plain(), Probe: "ls", Args: []string{"/"}})
	if out != "dev file" {
		t.Errorf("/ has %s", out)
	}
	for field, change := range map[string]func(*specs.Spec){
		"mounts":                  func(s *specs.Spec) { s.Mounts = defaultMounts() },
		"root.readonly":           func(s *specs.Spec) { s.Root.Readonly = true },
		"linux.maskedPaths":       func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/x"} },
		"linux.readonlyPaths":     func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/x"} },
		"linux.rootfsPropagation": func(s *specs.Spec) { s.Linux.RootfsPropagation = "slave" },
		"process.terminal":        func(s *specs.Spec) { s.Process = &specs.Process{Terminal: true} },
	} {
		s := plain()
		change(&s)
		if _, err := planOfRoot(&s); fault.Of(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestMountOverRoot has a mount that covers the root itself.
func TestMountOverRoot(t *testing.T) {
	host := hostDir(t)
	for _, noPivot := range []bool{false, true} {
		s := spec(rootDir(t, "proc/", "old"), mount("none", host, "/", "rbind"), mount("tmpfs", "tmpfs", "/t"))
		if out := must(t, &job{Spec: s, Options: Options{NoPivot: noPivot}, Probe: "ls", Args: []string{"/"}}); out != "dev file t" {
			t.Errorf("/ has %s", out)
		}
		_ = os.RemoveAll(filepath.Join(host, "dev"))
		_ = os.RemoveAll(filepath.Join(host, "t"))
	}
}

func TestPrivateProc(t *testing.T) {
	s := spec(rootDir(t, "proc/", "sys/"), mount("proc", "proc", "/proc"))
	for name, j := range map[string]*job{
		"with a proc":    {Spec: s},
		"without":        {Spec: spec(s.Root.Path)},
		"user namespace": {Spec: userSpec(t, s.Mounts...), Options: Options{UserNamespace: true}},
	} {
		j.Probe = "private proc"
		if out, err := try(t, j); err != nil || out == "" {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
}
