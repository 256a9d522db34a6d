package cgroups

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// use is a field of the resources that is set and the v1 controller that it needs.
type use struct{ field, controller string }

// controllersOf lists what is set, each field with its v1 controller. Zeros are not set, but for those with a meaning of their own.
func controllersOf(r *specs.LinuxResources) []use {
	var all []use
	add := func(set bool, field, controller string) {
		if set {
			all = append(all, use{field, controller})
		}
	}
	if m := r.Memory; m != nil {
		add(value(m.Limit) != 0, "memory.limit", "memory")
		add(value(m.Swap) != 0, "memory.swap", "memory")
		add(value(m.Reservation) != 0, "memory.reservation", "memory")
		add(value(m.Kernel) > 0, "memory.kernel", "memory") //nolint:staticcheck // deprecated, not gone
		add(value(m.KernelTCP) > 0, "memory.kernelTCP", "memory")
		add(m.Swappiness != nil, "memory.swappiness", "memory")
		add(value(m.DisableOOMKiller), "memory.disableOOMKiller", "memory")
	}
	if p := r.CPU; p != nil {
		add(value(p.Shares) != 0, "cpu.shares", "cpu")
		add(value(p.Quota) != 0, "cpu.quota", "cpu")
		add(value(p.Period) != 0, "cpu.period", "cpu")
		add(p.Burst != nil, "cpu.burst", "cpu")
		add(value(p.RealtimeRuntime) != 0, "cpu.realtimeRuntime", "cpu")
		add(value(p.RealtimePeriod) != 0, "cpu.realtimePeriod", "cpu")
		add(p.Idle != nil, "cpu.idle", "cpu")
		add(p.Cpus != "", "cpu.cpus", "cpuset")
		add(p.Mems != "", "cpu.mems", "cpuset")
	}
	add(r.Pids != nil && r.Pids.Limit != nil, "pids.limit", "pids")
	if b := r.BlockIO; b != nil {
		add(value(b.Weight) != 0, "blockIO.weight", "blkio")
		add(value(b.LeafWeight) != 0, "blockIO.leafWeight", "blkio")
		add(len(b.WeightDevice) > 0, "blockIO.weightDevice", "blkio")
		add(len(b.ThrottleReadBpsDevice) > 0, "blockIO.throttleReadBpsDevice", "blkio")
		add(len(b.ThrottleWriteBpsDevice) > 0, "blockIO.throttleWriteBpsDevice", "blkio")
		add(len(b.ThrottleReadIOPSDevice) > 0, "blockIO.throttleReadIOPSDevice", "blkio")
		add(len(b.ThrottleWriteIOPSDevice) > 0, "blockIO.throttleWriteIOPSDevice", "blkio")
	}
	add(len(r.HugepageLimits) > 0, "hugepageLimits", "hugetlb")
	if n := r.Network; n != nil {
		add(value(n.ClassID) != 0, "network.classID", "net_cls")
		add(len(n.Priorities) > 0, "network.priorities", "net_prio")
	}
	add(len(r.Rdma) > 0, "rdma", "rdma")
	return all
}

// needControllers refuses limits whose v1 controller the host does not mount.
func (c *Cgroup) needControllers(r *specs.LinuxResources) error {
	if missing := c.missingControllers(r); len(missing) > 0 {
		return missing[0]
	}
	return nil
}

func (c *Cgroup) missingControllers(r *specs.LinuxResources) (missing []error) {
	if c.saved.Layout == V2 {
		return nil
	}
	for _, u := range controllersOf(r) {
		if c.hierarchy(u.controller) == nil {
			missing = append(missing, fault.Hint(fault.New(fault.Controller, resourcesField+u.field,
				fmt.Errorf("cannot set %s limit: cgroup controller %s is not mounted", u.field, u.controller)),
				"leave the limit out, or mount the controller's hierarchy below "+root))
		}
	}
	return missing
}

// fields are the fields of linux.resources that the files of a cgroup come from, by the beginning of the name.
var fields = []struct{ file, field string }{
	{"cpu.shares", "cpu.shares"}, {"cpu.weight", "cpu.shares"},
	{"cpu.cfs_quota_us", "cpu.quota"}, {"cpu.max.burst", "cpu.burst"}, {"cpu.max", "cpu.quota"},
	{"cpu.cfs_period_us", "cpu.period"}, {"cpu.cfs_burst_us", "cpu.burst"}, {"cpu.idle", "cpu.idle"},
	{"cpu.rt_runtime_us", "cpu.realtimeRuntime"}, {"cpu.rt_period_us", "cpu.realtimePeriod"},
	{"cpuset.cpus", "cpu.cpus"}, {"cpuset.mems", "cpu.mems"},
	{"memory.limit_in_bytes", "memory.limit"}, {"memory.max", "memory.limit"},
	{"memory.memsw", "memory.swap"}, {"memory.swap.max", "memory.swap"}, {"memory.swappiness", "memory.swappiness"},
	{"memory.soft_limit", "memory.reservation"}, {"memory.low", "memory.reservation"},
	{"memory.kmem.tcp", "memory.kernelTCP"}, {"memory.kmem", "memory.kernel"},
	{"memory.oom_control", "memory.disableOOMKiller"}, {"memory.use_hierarchy", "memory.useHierarchy"},
	{"pids.max", "pids.limit"}, {"hugetlb.", "hugepageLimits"},
	{"net_cls.", "network.classID"}, {"net_prio.", "network.priorities"}, {"rdma.", "rdma"}, {"devices.", "devices"},
	{"blkio.weight_device", "blockIO.weightDevice"}, {"blkio.bfq.weight_device", "blockIO.weightDevice"},
	{"blkio.leaf_weight", "blockIO.leafWeight"}, {"blkio.weight", "blockIO.weight"}, {"blkio.bfq.weight", "blockIO.weight"},
	{"blkio.throttle.read_bps", "blockIO.throttleReadBpsDevice"}, {"blkio.throttle.write_bps", "blockIO.throttleWriteBpsDevice"},
	{"blkio.throttle.read_iops", "blockIO.throttleReadIOPSDevice"}, {"blkio.throttle.write_iops", "blockIO.throttleWriteIOPSDevice"},
	{"io.weight", "blockIO.weight"}, {"io.bfq.weight", "blockIO.weight"}, {"io.max", "blockIO"},
}

// fieldOf returns the field that the file is written for, "linux.resources" if that is not known.
func fieldOf(file string) string {
	for _, f := range fields {
		if strings.HasPrefix(file, f.file) {
			return resourcesField + f.field
		}
	}
	return "linux.resources"
}
