package rdt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// tree is a directory that looks like a mounted resctrl filesystem with one group in it. What is written to the
// group's files comes out of the pipes that they are, write by write.
type tree struct {
	t     *testing.T
	root  string
	pipes map[string]int
}

func newTree(t *testing.T, group string) *tree {
	tr := &tree{t: t, root: t.TempDir(), pipes: map[string]int{}}
	if err := os.MkdirAll(filepath.Join(tr.root, group, "mon_groups"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr.pipe(group + "/schemata")
	tr.pipe(group + "/tasks")
	return tr
}

func (tr *tree) pipe(name string) {
	path := filepath.Join(tr.root, name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		tr.t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { _ = unix.Close(fd) })
	tr.pipes[name] = fd
}

func (tr *tree) written(name string) string {
	b := make([]byte, 4096)
	n, err := unix.Read(tr.pipes[name], b)
	if err == unix.EAGAIN {
		return ""
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(b[:n])
}

func (tr *tree) make(spec *specs.LinuxIntelRdt) (*Group, error) {
	return Make(&Config{ID: "c1", Spec: spec, Root: tr.root})
}

func TestSchemataInOrder(t *testing.T) {
	tr := newTree(t, "c1")
	g, err := tr.make(&specs.LinuxIntelRdt{
		L3CacheSchema: "L3:0=7f0;1=1f", MemBwSchema: "MB:0=20;1=70", Schemata: []string{"L2:0=f", "MB:0=30"}, EnableMonitoring: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tr.written("c1/schemata"), "L3:0=7f0;1=1f\nMB:0=20;1=70\nL2:0=f\nMB:0=30\n"; got != want {
		t.Errorf("schemata %q, want %q", got, want)
	}
	tr.pipe("c1/mon_groups/c1/tasks")
	g = Load(g.Saved())
	if err := g.Join(42); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c1/tasks", "c1/mon_groups/c1/tasks"} {
		if got := tr.written(name); got != "42" {
			t.Errorf("%s: %q", name, got)
		}
	}
	l3, bw := "L3:0=f", "MB:0=50"
	if err := g.Update(&l3, &bw); err != nil {
		t.Fatal(err)
	}
	if got := tr.written("c1/schemata"); got != "L3:0=f\nMB:0=50\n" {
		t.Errorf("update: %q", got)
	}
	if err := os.Remove(filepath.Join(tr.root, "c1/mon_groups/c1/tasks")); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tr.root, "c1/mon_groups/c1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the monitoring group stays: %v", err)
	}
	if _, err := os.Stat(filepath.Join(tr.root, "c1")); err != nil {
		t.Errorf("a group that was there is gone: %v", err)
	}
}

func TestOwnGroup(t *testing.T) {
	root := t.TempDir()
	g, err := Make(&Config{ID: "c1", Spec: &specs.LinuxIntelRdt{}, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(root, "c1")); err != nil || len(entries) > 0 {
		t.Errorf("without schemata something is written: %v, %v", entries, err)
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
	if err := g.Delete(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestClosID(t *testing.T) {
	root := t.TempDir()
	make := func(spec *specs.LinuxIntelRdt) (*Group, error) {
		return Make(&Config{ID: "c1", Spec: spec, Root: root})
	}
	if _, err := make(&specs.LinuxIntelRdt{ClosID: "gold"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a group that is not there: %v", err)
	}
	g, err := make(&specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=f"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "gold/schemata")
	if b, _ := os.ReadFile(file); string(b) != "L3:0=f\n" {
		t.Errorf("schemata %q", b)
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a named group went with its container: %v", err)
	}
	if err := os.WriteFile(file, []byte("    MB:0=100;1= 70\n    L3:0=0000f;1=fffff\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"L3:0=f": "", "L3:1=FFFFF;0=0f": "", "L3:0=ff": "linux.intelRdt.l3CacheSchema", "L3:2=1": "linux.intelRdt.l3CacheSchema"} {
		_, err := make(&specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: text})
		if field := fault.Of(err).Field; (err == nil) != (want == "") || field != want {
			t.Errorf("%s: %q, %v", text, field, err)
		}
		if err := os.WriteFile(file, []byte("    MB:0=100;1= 70\n    L3:0=0000f;1=fffff\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := make(&specs.LinuxIntelRdt{ClosID: "gold", MemBwSchema: "MB:1=70"}); err != nil {
		t.Error(err)
	}
	if _, err := make(&specs.LinuxIntelRdt{ClosID: "info"}); err == nil || !strings.Contains(err.Error(), "no group") {
		t.Errorf("info: %v", err)
	}
}

func TestDefaultGroup(t *testing.T) {
	root := t.TempDir()
	g, err := Make(&Config{ID: "c1", Spec: &specs.LinuxIntelRdt{ClosID: "/"}, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Join(7); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(root, "tasks")); string(b) != "7" {
		t.Errorf("tasks %q", b)
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
}

// A write that the kernel refuses takes its reason along, and the group that was made for it is gone.
func TestRefusedWrite(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "info"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "info/last_cmd_status"), []byte("Unknown or unsupported resource name\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "c1/schemata")
	if err := os.MkdirAll(dir, 0o755); err != nil { // cannot be written
		t.Fatal(err)
	}
	_, err := Make(&Config{ID: "c1", Spec: &specs.LinuxIntelRdt{Schemata: []string{"X:0=1"}}, Root: root})
	if err == nil || !strings.Contains(err.Error(), "Unknown or unsupported resource name") {
		t.Errorf("%v", err)
	}
}

func TestNotEnabled(t *testing.T) {
	all, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("resctrl"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 0 {
		t.Skip("this host has Intel RDT")
	}
	_, err = Make(&Config{ID: "c1", Spec: &specs.LinuxIntelRdt{}})
	if err == nil || err.Error() != "intelRdt is specified in config, but Intel RDT is not enabled" {
		t.Errorf("%v", err)
	}
}
