package generate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/bundle"
	"mydocker/internal/fault"
	"mydocker/internal/generate"
)

func TestExamplesAreValid(t *testing.T) {
	rootless := generate.Example()
	generate.Rootless(rootless, 1000, 1001)
	for name, spec := range map[string]*specs.Spec{"spec": generate.Example(), "rootless": rootless} {
		b, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, warnings, err := bundle.Parse(b, "/bundle"); err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %q", name, err, warnings)
		}
	}
}

func TestGoldenExamples(t *testing.T) {
	rootless := generate.Example()
	generate.Rootless(rootless, 1000, 1001)
	for file, spec := range map[string]*specs.Spec{"spec.json": generate.Example(), "spec-rootless.json": rootless} {
		want, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(spec, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	id, group, pids, yes := uint32(7), uint32(8), int64(9), true
	spec := generate.Example()
	o := generate.Options{
		Args: []string{"ls", "-l"}, Rootfs: dir, Writable: true, Hostname: "h", Env: []string{"A=1", "TERM=dumb"}, Cwd: "/tmp",
		UID: &id, GID: &group, Terminal: &yes, Network: "host", Volumes: []string{dir + ":/data:ro,noexec"},
		Memory: "64m", CPUs: "0.5", Pids: &pids,
	}
	if err := o.Apply(spec); err != nil {
		t.Fatal(err)
	}
	p, l, r := spec.Process, spec.Linux, spec.Linux.Resources
	if spec.Root.Path != dir || spec.Root.Readonly || spec.Hostname != "h" || p.Cwd != "/tmp" || !p.Terminal {
		t.Errorf("got %+v, %+v", spec.Root, p)
	}
	if !slices.Equal(p.Args, o.Args) || p.User.UID != 7 || p.User.GID != 8 {
		t.Errorf("got %+v", p)
	}
	if want := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "A=1"}; !slices.Equal(p.Env, want) {
		t.Errorf("got env %q", p.Env)
	}
	if slices.ContainsFunc(l.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.NetworkNamespace }) {
		t.Error("the host's network has a namespace")
	}
	if *r.Memory.Limit != 64<<20 || *r.CPU.Quota != 50_000 || *r.CPU.Period != 100_000 || *r.Pids.Limit != 9 {
		t.Errorf("got %+v", r)
	}
	want := specs.Mount{Destination: "/data", Type: "bind", Source: dir, Options: []string{"rbind", "rprivate", "ro", "noexec"}}
	if diff := cmp.Diff(want, spec.Mounts[len(spec.Mounts)-1]); diff != "" {
		t.Error(diff)
	}
}

// The host's files are not to be changed, and the sockets of its services not to be reached.
func TestHostRoot(t *testing.T) {
	spec := generate.Example()
	if err := (&generate.Options{Rootfs: "/"}).Apply(spec); err != nil {
		t.Fatal(err)
	}
	if !spec.Root.Readonly || spec.Linux.RootfsPropagation != "rprivate" {
		t.Errorf("got %+v, propagation %q", spec.Root, spec.Linux.RootfsPropagation)
	}
	if !slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == "/tmp" && m.Type == "tmpfs" }) {
		t.Error("/tmp is the host's")
	}
	for _, o := range []generate.Options{
		{Rootfs: "/", Writable: true},
		{Rootfs: "/", Volumes: []string{"/etc:/surely/not/there"}},
	} {
		if err := o.Apply(generate.Example()); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	o := generate.Options{Rootfs: "/", Volumes: []string{"/etc:/tmp/etc"}}
	if err := o.Apply(generate.Example()); err != nil {
		t.Error(err)
	}
}

func TestRootless(t *testing.T) {
	spec := generate.Example()
	generate.Rootless(spec, 1000, 1001)
	id := uint32(5)
	if err := (&generate.Options{UID: &id, Network: "none"}).Apply(spec); err != nil {
		t.Fatal(err)
	}
	l := spec.Linux
	if l.UIDMappings[0].ContainerID != 5 || l.UIDMappings[0].HostID != 1000 || l.GIDMappings[0].HostID != 1001 || spec.Process.User.GID != 5 {
		t.Errorf("got %+v, %+v", l.UIDMappings, spec.Process.User)
	}
	if i := slices.IndexFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == "/sys" }); spec.Mounts[i].Type != "sysfs" {
		t.Errorf("with a network of its own: %+v", spec.Mounts[i])
	}
}

func TestApplyRefuses(t *testing.T) {
	zero := int64(0)
	for name, o := range map[string]generate.Options{
		"network": {Network: "bridge"}, "memory": {Memory: "much"}, "no memory": {Memory: "0"}, "cpus": {CPUs: "NaN"},
		"no cpus": {CPUs: "0"}, "no pids": {Pids: &zero}, "volume": {Volumes: []string{"/a"}},
		"relative destination": {Volumes: []string{"/a:b"}}, "env": {Env: []string{"SURELY_NOT_SET_ANYWHERE"}},
	} {
		if err := o.Apply(generate.Example()); fault.Of(err).Code != fault.Usage {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
