//go:build !race

package libinit_test

import (
	"testing"

	"mydocker/internal/generate"
	"mydocker/libinit"
)

// Each allocation is paid at every start of a container.
func TestPlanAllocations(t *testing.T) {
	spec := generate.Example()
	spec.Process.Terminal = false
	o := &libinit.Options{Bundle: "/bundle", Cgroup: libinit.CgroupV2, CgroupPaths: map[string]string{"": "box"}}
	n := testing.AllocsPerRun(20, func() {
		plan, err := libinit.NewPlan(spec, o)
		if err != nil {
			t.Fatal(err)
		}
		plan.Encode()
	})
	t.Logf("%.0f allocations", n)
	if n > 165 {
		t.Errorf("%.0f allocations", n)
	}
}
