package libinit_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/generate"
	"mydocker/libinit"
)

var updatePlans = flag.Bool("update-plans", false, "write the golden files of whole plans")

// A plan is made without touching the host: these are the whole plans of what people run.
func TestPlans(t *testing.T) {
	user := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	for name, change := range map[string]func(*specs.Spec, *libinit.Options){
		"default":  func(*specs.Spec, *libinit.Options) {},
		"terminal": func(s *specs.Spec, _ *libinit.Options) { s.Process.Terminal = true },
		"no-pivot": func(_ *specs.Spec, o *libinit.Options) { o.NoPivot = true },
		"rootless": func(s *specs.Spec, o *libinit.Options) {
			generate.Rootless(s, 1000, 1000)
			o.UserNamespace, o.RootlessCaller = true, true
		},
		"user-joined-network": func(s *specs.Spec, o *libinit.Options) {
			s.Linux.UIDMappings, s.Linux.GIDMappings = user, user
			for i := range s.Linux.Namespaces {
				if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
					s.Linux.Namespaces[i].Path = "/run/netns/one"
				}
			}
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
			o.UserNamespace = true
		},
		"shared-pid": func(s *specs.Spec, _ *libinit.Options) {
			for i := range s.Linux.Namespaces {
				if s.Linux.Namespaces[i].Type == specs.PIDNamespace {
					s.Linux.Namespaces[i].Path = "/proc/7/ns/pid"
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := generate.Example()
			spec.Process.Terminal = false
			o := &libinit.Options{Bundle: "/bundle", Cgroup: libinit.CgroupV2, CgroupPaths: map[string]string{"": "box"}}
			change(spec, o)
			plan, err := libinit.NewPlan(spec, o)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, e := range plan {
				fmt.Fprintf(&b, "%-28s %s\n", e.Field, e.Step)
			}
			golden := filepath.Join("../testdata/plan", name+".txt")
			if *updatePlans {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
			again, err := libinit.Decode(plan.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(plan, again); d != "" {
				t.Errorf("plan that init receives:\n%s", d)
			}
		})
	}
}
