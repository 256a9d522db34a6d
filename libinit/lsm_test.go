package libinit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeAttributes is a tree that looks like this thread's attributes in a procfs, for kernels without the modules.
func fakeAttributes(t *testing.T, names ...string) (*Env, string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, fmt.Sprintf("%d/task/%d/attr", os.Getpid(), unix.Gettid()))
	for _, n := range names {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, n)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	proc, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proc.Close() })
	return &Env{proc: proc}, dir
}

// The label of the program is written to the attribute that execve looks at, in the form that each module wants.
func TestLabelWrites(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, test := range map[string]struct {
		files []string
		label Label
		want  map[string]string
	}{
		"AppArmor":        {[]string{"apparmor/exec", "exec"}, Label{AppArmor: "tight"}, map[string]string{"apparmor/exec": "exec tight", "exec": ""}},
		"AppArmor of old": {[]string{"exec"}, Label{AppArmor: "tight"}, map[string]string{"exec": "exec tight"}},
		"SELinux":         {[]string{"exec"}, Label{SELinux: "system_u:system_r:container_t:s0"}, map[string]string{"exec": "system_u:system_r:container_t:s0"}},
		"both": {[]string{"apparmor/exec", "exec"}, Label{AppArmor: "tight", SELinux: "a:b:c"},
			map[string]string{"apparmor/exec": "exec tight", "exec": "a:b:c"}},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			e, dir := fakeAttributes(t, test.files...)
			if err := test.label.Do(e); err != nil {
				t.Fatal(err)
			}
			for file, want := range test.want {
				if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(b) != want {
					t.Errorf("%s: %q, %v, want %q", file, b, err, want)
				}
			}
		})
	}
	e, _ := fakeAttributes(t)
	if err := (&Label{SELinux: "x"}).Do(e); err == nil {
		t.Error("a label that could not be set is no error")
	}
}
