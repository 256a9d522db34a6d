package cgroups

import (
	"errors"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

func TestConvertRefusals(t *testing.T) {
	for _, test := range []struct {
		layout    Layout
		field     string
		resources specs.LinuxResources
	}{
		{V2, "memory.swappiness", specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(10))}}},
		{V2, "memory.kernel", specs.LinuxResources{Memory: &specs.LinuxMemory{Kernel: ptr(int64(1 << 20))}}}, //nolint:staticcheck // deprecated, not gone
		{V2, "memory.kernelTCP", specs.LinuxResources{Memory: &specs.LinuxMemory{KernelTCP: ptr(int64(1 << 20))}}},
		{V2, "memory.disableOOMKiller", specs.LinuxResources{Memory: &specs.LinuxMemory{DisableOOMKiller: ptr(true)}}},
		{V2, "memory.swap", specs.LinuxResources{Memory: &specs.LinuxMemory{Swap: ptr(int64(1 << 20))}}},
		{V2, "cpu.realtimeRuntime", specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: ptr(int64(1))}}},
		{V2, "cpu.realtimePeriod", specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: ptr(uint64(1))}}},
		{V2, "blockIO.leafWeight", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{LeafWeight: ptr(uint16(100))}}},
		{V2, "network.classID", specs.LinuxResources{Network: &specs.LinuxNetwork{ClassID: ptr(uint32(1))}}},
		{V2, "network.priorities", specs.LinuxResources{Network: &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "lo"}}}}},
		{V1, "unified", specs.LinuxResources{Unified: map[string]string{"memory.max": "1"}}},
		{V2, "unified", specs.LinuxResources{Unified: map[string]string{"../memory.max": "1"}}},
		{V1, "cpu.cpus", specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "0-x"}}},
		{V1, "cpu.mems", specs.LinuxResources{CPU: &specs.LinuxCPU{Mems: "3-1"}}},
		{V1, "cpu.burst", specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: ptr(int64(1000)), Burst: ptr(uint64(2000))}}},
		{V1, "cpu.idle", specs.LinuxResources{CPU: &specs.LinuxCPU{Idle: ptr(int64(2))}}},
		{V1, "memory.swappiness", specs.LinuxResources{Memory: &specs.LinuxMemory{Swappiness: ptr(uint64(101))}}},
		{V1, "memory.limit", specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: ptr(int64(-2))}}},
		{V1, "blockIO.weight", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(5))}}},
		{V1, "blockIO.weightDevice[0]", specs.LinuxResources{BlockIO: &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{}}}}},
		{V1, "hugepageLimits[0].pageSize", specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "../2MB"}}}},
		{V1, "rdma.mlx", specs.LinuxResources{Rdma: map[string]specs.LinuxRdma{"mlx": {}}}},
	} {
		_, _, err := convert(&test.resources, test.layout)
		if got := fault.Of(err).Field; err == nil || got != resourcesField+test.field {
			t.Errorf("v%d %s: %v (field %q)", test.layout, test.field, err, got)
		}
	}
}

// Zeros are what engines write for what they were not asked for. A swappiness of 0 is one.
func TestConvertZeros(t *testing.T) {
	zeros := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{
			Limit: ptr(int64(0)), Swap: ptr(int64(0)), Reservation: ptr(int64(0)), Kernel: ptr(int64(0)), KernelTCP: ptr(int64(0)), //nolint:staticcheck // deprecated, not gone
			DisableOOMKiller: ptr(false), UseHierarchy: ptr(false), CheckBeforeUpdate: ptr(false),
		},
		CPU:     &specs.LinuxCPU{Shares: ptr(uint64(0)), Quota: ptr(int64(0)), Period: ptr(uint64(0)), RealtimeRuntime: ptr(int64(0)), RealtimePeriod: ptr(uint64(0))},
		BlockIO: &specs.LinuxBlockIO{Weight: ptr(uint16(0)), LeafWeight: ptr(uint16(0))},
		Network: &specs.LinuxNetwork{ClassID: ptr(uint32(0))},
		Pids:    &specs.LinuxPids{},
	}
	for _, layout := range []Layout{V1, V2} {
		if _, _, err := convert(zeros, layout); err != nil {
			t.Errorf("v%d: %v", layout, err)
		}
	}
	if limited(zeros) {
		t.Errorf("zeros count as limits: %v", controllersOf(zeros))
	}
	zeros.Memory.Swappiness = ptr(uint64(0))
	if !limited(zeros) {
		t.Error("a swappiness of 0 does not count as a limit")
	}
}

func rules(t *testing.T, given ...specs.LinuxDeviceCgroup) (bool, string) {
	t.Helper()
	s, err := mergeRules(given)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range s.exceptions {
		all = append(all, e.String())
	}
	return s.allow, strings.Join(all, ", ")
}

const defaults = "c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:1 rwm, c 5:2 rwm, c 136:* rwm"

func TestMergeRules(t *testing.T) {
	device := func(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
		return specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Major: &major, Minor: &minor, Access: access}
	}
	for _, test := range []struct {
		name  string
		given []specs.LinuxDeviceCgroup
		allow bool
		want  string
	}{
		{"nothing", nil, false, defaults + ", b *:* m, c *:* m"},
		{"deny all", denyEverything, false, defaults + ", b *:* m, c *:* m"},
		{"privileged", []specs.LinuxDeviceCgroup{{Access: "rwm"}, {Allow: true, Access: "rwm"}}, true, ""},
		{"one more", append(denyEverything, device(true, "c", 10, 200, "rw")), false, defaults + ", c 10:200 rw, b *:* m, c *:* m"},
		{"allowed before deny all", append([]specs.LinuxDeviceCgroup{device(true, "c", 10, 200, "rw")}, denyEverything...), false, defaults + ", b *:* m, c *:* m"},
		{"a default denied", append(denyEverything, device(false, "c", 1, 8, "rwm")), false, strings.Replace(defaults, "c 1:8 rwm, ", "", 1) + ", b *:* m"},
		{"a default without write", append(denyEverything, device(false, "c", 1, 8, "w")), false, strings.Replace(defaults, "c 1:8 rwm", "c 1:8 rm", 1) + ", b *:* m, c *:* m"},
		{"all types of one number", append(denyEverything, device(true, "", 7, 1, "r")), false, defaults + ", b 7:1 r, c 7:1 r, b *:* m, c *:* m"},
		{"all devices, one access", append(denyEverything, specs.LinuxDeviceCgroup{Allow: true, Access: "r"}), false, defaults + ", b *:* rm, c *:* rm"},
		{"blacklist", []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}, device(false, "b", 8, 0, "rwm")}, true, "b 8:0 rwm"},
	} {
		allow, got := rules(t, test.given...)
		if allow != test.allow || got != test.want {
			t.Errorf("%s: allow %v, %s\nwant %v, %s", test.name, allow, got, test.allow, test.want)
		}
	}
	hole := append(slices.Clip(denyEverything), device(true, "b", 8, wildcard, "rw"), device(false, "b", 8, 1, "w"))
	if _, err := mergeRules(hole); fault.Of(err).Field != "linux.resources.devices[2]" {
		t.Errorf("hole in a wildcard: %v", err)
	}
	for _, bad := range []specs.LinuxDeviceCgroup{
		{Type: "p", Access: "r"}, {Type: "c", Access: "x"}, {Type: "c"}, device(true, "c", -2, 0, "r"), device(true, "c", 1<<32, 0, "r"),
	} {
		if _, err := mergeRules([]specs.LinuxDeviceCgroup{bad}); fault.Of(err).Code != fault.Config {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestDenyAll(t *testing.T) {
	if !denyAll(nil) || !denyAll(denyEverything) {
		t.Error("what engines send with every update counts as rules")
	}
	if denyAll([]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}) {
		t.Error("a rule does not count")
	}
}

func TestHierarchies(t *testing.T) {
	own := parseOwn("12:cpu,cpuacct:/a\n1:name=systemd:/b:c\n0::/d\nrubbish\n")
	if len(own) != 3 || !own[0].has("cpuacct") || own[1].own != "/b:c" || len(own[2].Controllers) != 0 {
		t.Errorf("own: %+v", own)
	}
	mounts := parseMounts("30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		`31 30 0:28 /docker/x /my\040groups/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct` + "\n" +
		"32 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n")
	if len(mounts) != 2 || mounts[0].Mount != "/my groups/cpu" || mounts[0].Path != "/docker/x" || !mounts[0].has("cpuacct") {
		t.Errorf("mounts: %+v", mounts)
	}
	if got := own[0].mountIn(mounts); got != "/my groups/cpu" {
		t.Errorf("cpu at %q", got)
	}
}

func TestUnit(t *testing.T) {
	for _, test := range []struct{ path, want string }{
		{"", "mydocker-id.scope"}, {"system.slice:docker:abc", "docker-abc.scope"}, {":p:n", "p-n.scope"}, {"a.slice::pods.slice", "pods.slice"},
	} {
		u, err := parseUnit(test.path, "id")
		if err != nil || u.String() != test.want {
			t.Errorf("%q: %v, %v", test.path, u, err)
		}
	}
	for _, bad := range []string{"/a/b", "a:b", "a:b:c:d", "a:b:", "a:b:../c"} {
		if _, err := parseUnit(bad, "id"); !errors.Is(err, errUnitPath) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestProperties(t *testing.T) {
	got, err := properties(map[string]string{
		PropertyPrefix + "TimeoutStopSec": "uint64 5", PropertyPrefix + "CollectMode": "'inactive-or-failed'", "other": "x",
	})
	if err != nil || len(got) != 2 || got[1].Name != "TimeoutStopUSec" || got[1].Value.Value() != uint64(5_000_000) {
		t.Errorf("%v, %v", got, err)
	}
	for name, value := range map[string]string{"No": "1", "Bad-Name": "1", "Description": "'open", "TimeoutSec": "'x'", "RuntimeMaxSec": "-1"} {
		if _, err := properties(map[string]string{PropertyPrefix + name: value}); fault.Of(err).Field != "annotations."+PropertyPrefix+name {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

func TestDelegate(t *testing.T) {
	spec := &specs.Spec{
		Process: &specs.Process{User: specs.User{UID: 7}},
		Mounts:  []specs.Mount{{Source: "cgroup", Destination: "/sys/fs/cgroup", Type: "cgroup"}},
		Linux: &specs.Linux{
			Namespaces:  []specs.LinuxNamespace{{Type: specs.CgroupNamespace}},
			UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}},
		},
	}
	if uid := delegate(spec); uid == nil || *uid != 100007 {
		t.Errorf("owner: %v", uid)
	}
	spec.Mounts[0].Options = []string{"ro"}
	if uid := delegate(spec); uid != nil {
		t.Errorf("read-only: %v", *uid)
	}
}

func FuzzCgroupsPath(f *testing.F) {
	for _, seed := range []string{"", "/", "a", "/a/b", "../../x", "/..", "a/../..", "a//b/", "a\x00b", "a\nb", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		p, err := cleanPath(given, "id")
		if err != nil {
			return
		}
		if p == "/" || !strings.HasPrefix(p, "/") || strings.Contains(p+"/", "/../") || strings.Contains(p, "//") || strings.HasSuffix(p, "/") {
			t.Errorf("%q became %q", given, p)
		}
		if again, err := cleanPath(p, "id"); err != nil || again != p {
			t.Errorf("%q became %q, then %q, %v", given, p, again, err)
		}
	})
}

func FuzzList(f *testing.F) {
	for _, seed := range []string{"", "0", "0-3,7", " 1 , 2-4\n", "3-1", "-1", "0-", "a", "0,,1", "99999999999999999999", "+1", "0-65535"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean, err := parseList(s)
		if err != nil {
			return
		}
		if strings.Trim(clean, "0123456789,-") != "" {
			t.Errorf("%q became %q", s, clean)
		}
		if again, err := parseList(clean); err != nil || again != clean {
			t.Errorf("%q became %q, then %q, %v", s, clean, again, err)
		}
	})
}

func FuzzSub(f *testing.F) {
	for _, seed := range []string{"", "/", "a/b", "../x", "a/../../b", "/../"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := cleanSub(s)
		if err == nil && (strings.Contains(p+"/", "/../") || p != "" && p[0] != '/') {
			t.Errorf("%q became %q", s, p)
		}
	})
}
