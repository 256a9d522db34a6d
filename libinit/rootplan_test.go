package libinit

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var updateRootPlans = flag.Bool("update-root-plans", false, "write the golden files of the root filesystem's plans")

// TestRootPlans compares the root filesystem's part of plans with golden files.
func TestRootPlans(t *testing.T) {
	rootless := defaultSpec("rootfs")
	rootless.Mounts[2].Options = rootless.Mounts[2].Options[:5]
	rootless.Mounts[5] = mount("none", "/sys", "/sys", "rbind", "nosuid", "noexec", "nodev", "ro")
	rootless.Linux.Namespaces = append(rootless.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	options := spec("/srv/rootfs",
		mount("none", "volume", "/data", "rbind", "rro", "rslave", "nosuid"),
		mount("tmpfs", "tmpfs", "run", "ro", "tmpcopyup", "noexec"),
		mount("", "", "/data", "remount", "bind", "noexec"),
		mount("none", "/lxcfs/uptime", "/proc/uptime", "bind"),
		mount("cgroup", "cgroup", "/sys/fs/cgroup", "rw"))
	options.Linux.RootfsPropagation = "rshared"
	options.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}, {Path: "/dev/null", Type: "c", Major: 1, Minor: 3}}
	for name, c := range map[string]struct {
		spec specs.Spec
		opts Options
	}{
		"default":  {defaultSpec("rootfs"), Options{Cgroup: CgroupV1}},
		"rootless": {rootless, Options{Cgroup: CgroupV2, UserNamespace: true, RootlessCaller: true}},
		"options":  {options, Options{Cgroup: CgroupV2, NoPivot: true, NotifyDir: "/run/notify", NotifySocket: "/run/notify/notify.sock"}},
	} {
		c.opts.Bundle = "/bundle"
		plan, err := rootPlan(&c.spec, &c.opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var b strings.Builder
		for _, e := range plan {
			b.WriteString(e.Field + ": " + e.Step.String() + "\n")
		}
		file := filepath.Join("..", "testdata", "plan", "root-"+name+".txt")
		if *updateRootPlans {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s: %s", file, d)
		}
		// What crosses to init is the same plan.
		back, err := Decode(plan.Encode())
		if err != nil {
			t.Fatal(err)
		}
		for i := range back {
			if got, want := back[i].Step.String(), plan[i].Step.String(); got != want {
				t.Errorf("%s: crossed as %s, was %s", name, got, want)
			}
		}
	}
}

func TestSplitData(t *testing.T) {
	got := splitData([]string{"size=64k,mode=700", `context="a:b:c1,c2"`, `lowerdir=a\,b:c`, "", ",", "x"})
	want := []string{"size=64k", "mode=700", "context=a:b:c1,c2", `lowerdir=a\,b:c`, "x"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, want := joinData(want[1:3]), `mode=700,context="a:b:c1,c2"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
