package cgroups

import (
	"errors"
	"fmt"
	"strconv"

	lib "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

const resourcesField = "linux.resources."

// extra is what the library has no place for. Zero values are not set.
type extra struct {
	kernel, kernelTCP int64 // bytes; -1 is unlimited
	useHierarchy      bool
	oomKiller         *bool // v1: whether the kernel kills for want of memory
	checkMemory       bool  // refuse a memory limit below what is in use
}

// conversion turns the spec's resources into the library's.
type conversion struct {
	layout Layout
	to     *lib.Resources
	extra  extra
	wrong  []error
}

// convert turns linux.resources, without the devices, into the library's form. 0 means "not set" for every number
// but those where the kernel gives 0 a meaning of its own (config-linux.md): engines write zeros for what they were
// not asked for. A v1 setting that v2 has no equivalent of is an error that names it.
func convert(r *specs.LinuxResources, layout Layout) (*lib.Resources, extra, error) {
	to, more, wrong := convertAll(r, layout)
	if len(wrong) > 0 {
		return nil, more, wrong[0]
	}
	return to, more, nil
}

// convertAll goes on after the first error.
func convertAll(r *specs.LinuxResources, layout Layout) (to *lib.Resources, more extra, wrong []error) {
	c := &conversion{layout: layout, to: &lib.Resources{}}
	c.memory(r.Memory)
	c.cpu(r.CPU)
	c.blockIO(r.BlockIO)
	c.network(r.Network)
	if r.Pids != nil {
		c.to.PidsLimit = r.Pids.Limit
	}
	for i, h := range r.HugepageLimits {
		if h.Pagesize == "" || !fileName(h.Pagesize) {
			c.invalid(fmt.Sprintf("hugepageLimits[%d].pageSize", i), fmt.Errorf("invalid page size %q", h.Pagesize))
		}
		c.to.HugetlbLimit = append(c.to.HugetlbLimit, &lib.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
	}
	for name, l := range r.Rdma {
		if l.HcaHandles == nil && l.HcaObjects == nil {
			c.invalid("rdma."+name, errors.New("neither hcaHandles nor hcaObjects is set"))
		}
		if c.to.Rdma == nil {
			c.to.Rdma = make(map[string]lib.LinuxRdma)
		}
		c.to.Rdma[name] = lib.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
	}
	c.unified(r.Unified)
	return c.to, c.extra, c.wrong
}

func (c *conversion) fail(code fault.Code, field string, err error) {
	c.wrong = append(c.wrong, fault.New(code, resourcesField+field, err))
}

func (c *conversion) invalid(field string, err error) { c.fail(fault.Config, field, err) }

// onlyV1 refuses a v1 setting on a v2 host.
func (c *conversion) onlyV1(set bool, field string) {
	if set && c.layout == V2 {
		c.fail(fault.Unsupported, field, fmt.Errorf("%s%s cannot be set: cgroup v2 has no equivalent", resourcesField, field))
	}
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func (c *conversion) memory(m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	for name, v := range map[string]*int64{
		"limit": m.Limit, "swap": m.Swap, "reservation": m.Reservation, "kernel": m.Kernel, "kernelTCP": m.KernelTCP, //nolint:staticcheck // deprecated, not gone
	} {
		if value(v) < -1 {
			c.invalid("memory."+name, fmt.Errorf("invalid memory value %d: must be bytes, or -1 for unlimited", *v))
		}
	}
	c.to.Memory, c.to.MemorySwap, c.to.MemoryReservation = value(m.Limit), value(m.Swap), value(m.Reservation)
	if c.layout == V2 && c.to.MemoryReservation == -1 {
		c.to.MemoryReservation = 0 // on v1 no reservation; "max" in memory.low would be full protection
	}
	c.extra.kernel, c.extra.kernelTCP = value(m.Kernel), value(m.KernelTCP) //nolint:staticcheck // deprecated, not gone
	c.onlyV1(c.extra.kernel > 0, "memory.kernel")
	c.onlyV1(c.extra.kernelTCP > 0, "memory.kernelTCP")
	c.onlyV1(value(m.Swappiness) != 0, "memory.swappiness")
	if value(m.Swappiness) > 100 {
		c.invalid("memory.swappiness", fmt.Errorf("invalid memory swappiness value: %d (valid range is 0-100)", *m.Swappiness))
	}
	c.onlyV1(value(m.DisableOOMKiller), "memory.disableOOMKiller")
	if c.layout == V1 {
		c.to.MemorySwappiness = m.Swappiness
		if m.DisableOOMKiller != nil {
			killer := !*m.DisableOOMKiller
			c.extra.oomKiller = &killer
		}
		c.extra.useHierarchy = value(m.UseHierarchy) // v2 is always hierarchical
	}
	c.extra.checkMemory = value(m.CheckBeforeUpdate)
	c.to.MemoryCheckBeforeUpdate = c.extra.checkMemory
	if c.layout == V2 {
		if _, err := lib.ConvertMemorySwapToCgroupV2Value(c.to.MemorySwap, c.to.Memory); err != nil {
			c.invalid("memory.swap", err)
		}
	}
}

func (c *conversion) cpu(p *specs.LinuxCPU) {
	if p == nil {
		return
	}
	c.to.CpuShares = value(p.Shares)
	if c.layout == V2 {
		c.to.CpuWeight = lib.ConvertCPUSharesToCgroupV2Value(c.to.CpuShares)
	}
	c.to.CpuQuota, c.to.CpuPeriod, c.to.CpuBurst, c.to.CPUIdle = value(p.Quota), value(p.Period), p.Burst, p.Idle
	if quota := value(p.Quota); quota > 0 && value(p.Burst) > uint64(quota) {
		c.invalid("cpu.burst", fmt.Errorf("cpu burst %d is larger than the quota %d", *p.Burst, quota))
	}
	if p.Idle != nil && *p.Idle != 0 && *p.Idle != 1 {
		c.invalid("cpu.idle", fmt.Errorf("invalid cpu idle value %d: must be 0 or 1", *p.Idle))
	}
	c.to.CpuRtRuntime, c.to.CpuRtPeriod = value(p.RealtimeRuntime), value(p.RealtimePeriod)
	c.onlyV1(c.to.CpuRtRuntime != 0, "cpu.realtimeRuntime")
	c.onlyV1(c.to.CpuRtPeriod != 0, "cpu.realtimePeriod")
	c.to.CpusetCpus, c.to.CpusetMems = c.list("cpu.cpus", p.Cpus), c.list("cpu.mems", p.Mems)
}

func (c *conversion) list(field, s string) string {
	clean, err := parseList(s)
	if err != nil {
		c.invalid(field, err)
	}
	return clean
}

func (c *conversion) blockIO(b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	c.to.BlkioWeight = c.weight("blockIO.weight", b.Weight)
	c.to.BlkioLeafWeight = c.weight("blockIO.leafWeight", b.LeafWeight)
	c.onlyV1(c.to.BlkioLeafWeight != 0, "blockIO.leafWeight")
	for i, d := range b.WeightDevice {
		field := "blockIO.weightDevice[" + strconv.Itoa(i) + "]"
		weight, leaf := c.weight(field+".weight", d.Weight), c.weight(field+".leafWeight", d.LeafWeight)
		if d.Weight == nil && d.LeafWeight == nil {
			c.invalid(field, errors.New("neither weight nor leafWeight is set"))
		}
		c.onlyV1(leaf != 0, field+".leafWeight")
		c.to.BlkioWeightDevice = append(c.to.BlkioWeightDevice, lib.NewWeightDevice(d.Major, d.Minor, weight, leaf))
	}
	throttles := func(devices []specs.LinuxThrottleDevice) []*lib.ThrottleDevice {
		var all []*lib.ThrottleDevice
		for _, d := range devices {
			all = append(all, lib.NewThrottleDevice(d.Major, d.Minor, d.Rate))
		}
		return all
	}
	c.to.BlkioThrottleReadBpsDevice = throttles(b.ThrottleReadBpsDevice)
	c.to.BlkioThrottleWriteBpsDevice = throttles(b.ThrottleWriteBpsDevice)
	c.to.BlkioThrottleReadIOPSDevice = throttles(b.ThrottleReadIOPSDevice)
	c.to.BlkioThrottleWriteIOPSDevice = throttles(b.ThrottleWriteIOPSDevice)
}

// weight checks a weight of block I/O: 10 to 1000, 0 is not set.
func (c *conversion) weight(field string, w *uint16) uint16 {
	v := value(w)
	if v != 0 && (v < 10 || v > 1000) {
		c.invalid(field, fmt.Errorf("invalid weight %d: must be 10 to 1000", v))
	}
	return v
}

func (c *conversion) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	c.to.NetClsClassid = value(n.ClassID)
	c.onlyV1(c.to.NetClsClassid != 0, "network.classID")
	c.onlyV1(len(n.Priorities) > 0, "network.priorities")
	for _, p := range n.Priorities {
		c.to.NetPrioIfpriomap = append(c.to.NetPrioIfpriomap, &lib.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
	}
}

func (c *conversion) unified(u map[string]string) {
	if len(u) == 0 {
		return
	}
	if c.layout == V1 {
		c.fail(fault.Unsupported, "unified", lib.ErrV1NoUnified)
		return
	}
	for name := range u {
		if !fileName(name) {
			c.invalid("unified", fmt.Errorf("unified resource %q must be a file name (no slashes)", name))
		}
	}
	c.to.Unified = u
}

// fileName tells whether s can be (a part of) the name of one file.
func fileName(s string) bool {
	for i := range len(s) {
		if s[i] == '/' || s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// limited tells whether anything but the devices is limited.
func limited(r *specs.LinuxResources) bool {
	return len(controllersOf(r)) > 0 || len(r.Unified) > 0
}
