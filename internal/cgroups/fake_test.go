package cgroups

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// What few kernels have is shown by what is written, in a tree of plain files.
func TestWrites(t *testing.T) {
	lib.TestMode = true
	defer func() { lib.TestMode = false }()
	rdma := map[string]specs.LinuxRdma{"mlx5_0": {HcaHandles: ptr(uint32(3)), HcaObjects: ptr(uint32(4))}}
	pages := []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4194304}, {Pagesize: "1GB", Limit: 1 << 30}}
	weights := &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{
		{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8, Minor: 16}, Weight: ptr(uint16(300)), LeafWeight: ptr(uint16(400))},
	}}
	noLeaves := &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: weights.WeightDevice[0].LinuxBlockIODevice, Weight: ptr(uint16(300))}}}
	for _, test := range []struct {
		name      string
		layout    Layout
		resources specs.LinuxResources
		there     string // a file by which the kernel shows what it has
		want      map[string]string
	}{
		{"rdma", V1, specs.LinuxResources{Rdma: rdma}, "", map[string]string{"rdma.max": "mlx5_0 hca_handle=3 hca_object=4"}},
		{"rdma", V2, specs.LinuxResources{Rdma: rdma}, "", map[string]string{"rdma.max": "mlx5_0 hca_handle=3 hca_object=4"}},
		{"net_cls", V1, specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(0x100001))}}, "", map[string]string{"net_cls.classid": "1048577"}},
		{"net_prio", V1, specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo", Priority: 3}}}}, "",
			map[string]string{"net_prio.ifpriomap": "lo 3"}},
		{"hugetlb", V1, specs.LinuxResources{HugepageLimits: pages}, "", map[string]string{"hugetlb.2MB.limit_in_bytes": "4194304", "hugetlb.1GB.limit_in_bytes": "1073741824"}},
		{"hugetlb", V2, specs.LinuxResources{HugepageLimits: pages}, "", map[string]string{"hugetlb.2MB.max": "4194304", "hugetlb.1GB.max": "1073741824"}},
		{"blkio", V1, specs.LinuxResources{BlockIO: weights}, "", map[string]string{"blkio*.weight_device": "8:16 300", "blkio.leaf_weight_device": "8:16 400"}},
		{"io", V2, specs.LinuxResources{BlockIO: noLeaves}, "io.bfq.weight", map[string]string{"io.bfq.weight": "8:16 300"}},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"cgroup.controllers": "io hugetlb rdma\n", test.there: ""} {
			if name == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		to, more, err := convert(&test.resources, test.layout)
		if err != nil {
			t.Fatal(err)
		}
		h := Hierarchy{Mount: dir}
		if test.layout == V1 {
			h.Controllers = []string{test.name}
		}
		c := &Cgroup{saved: Saved{Layout: test.layout, Hierarchies: []Hierarchy{h}}, resources: to, asked: &test.resources, extra: more, limited: true}
		if err := c.setResources(); err != nil {
			t.Errorf("v%d %s: %v", test.layout, test.name, err)
		}
		for _, file := range slices.Sorted(maps.Keys(test.want)) {
			written, _ := filepath.Glob(filepath.Join(dir, file)) // bfq has a file of its own
			if len(written) != 1 {
				t.Fatalf("v%d %s: %q", test.layout, file, written)
			}
			if text, _ := os.ReadFile(written[0]); strings.TrimSuffix(string(text), "\n") != test.want[file] {
				t.Errorf("v%d %s: %q, want %q", test.layout, file, text, test.want[file])
			}
		}
	}
}
