package cgroups

import (
	lib "github.com/opencontainers/cgroups"

	"mydocker/internal/fault"
)

// Stats is what `events --stats` prints as data: the JSON that containerd and others read from runc.
type Stats struct {
	CPU     CPUStats                `json:"cpu"`
	Cpuset  CpusetStats             `json:"cpuset"`
	Memory  MemoryStats             `json:"memory"`
	Pids    PidsStats               `json:"pids"`
	Blkio   BlkioStats              `json:"blkio"`
	Hugetlb map[string]HugetlbStats `json:"hugetlb"`
	// IntelRdt is left to who knows of it; an empty object if there is nothing.
	IntelRdt          any             `json:"intel_rdt"`
	NetworkInterfaces []*NetworkStats `json:"network_interfaces"`
}

// PSI is a resource's pressure stall information (kernel, accounting/psi.rst).
type PSI = lib.PSIStats

// CPUStats are times in nanoseconds.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage,omitzero"`
	Throttling Throttling `json:"throttling,omitzero"`
	PSI        *PSI       `json:"psi,omitempty"`
	Burst      Burst      `json:"burst,omitzero"`
}

// CPUUsage is the CPU time used, in nanoseconds.
type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	Percpu       []uint64 `json:"percpu,omitempty"`
	PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
	PercpuUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling is how the CPU quota has acted; the time is in nanoseconds.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// Burst is how the CPU quota was overdrawn; the time is in nanoseconds.
type Burst struct {
	BurstsPeriods uint64 `json:"bursts_periods,omitempty"`
	BurstTime     uint64 `json:"burst_time,omitempty"`
}

// CpusetStats are the settings of a v1 cpuset.
type CpusetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryUsage is in bytes. Swap includes memory, as on v1.
type MemoryUsage struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// MemoryStats are the counters of the memory controller; Raw is memory.stat.
type MemoryStats struct {
	Cache     uint64            `json:"cache,omitempty"`
	Usage     MemoryUsage       `json:"usage,omitzero"`
	Swap      MemoryUsage       `json:"swap,omitzero"`
	Kernel    MemoryUsage       `json:"kernel,omitzero"`
	KernelTCP MemoryUsage       `json:"kernelTCP,omitzero"`
	Raw       map[string]uint64 `json:"raw,omitempty"`
	PSI       *PSI              `json:"psi,omitempty"`
}

// PidsStats counts processes and threads.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlkioEntry is one counter of a block device.
type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// BlkioStats are the counters of block I/O.
type BlkioStats struct {
	IoServiceBytesRecursive []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	IoServicedRecursive     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	IoQueuedRecursive       []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	IoServiceTimeRecursive  []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	IoWaitTimeRecursive     []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	IoMergedRecursive       []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	IoTimeRecursive         []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	SectorsRecursive        []BlkioEntry `json:"sectorsRecursive,omitempty"`
	PSI                     *PSI         `json:"psi,omitempty"`
	IoCostUsage             []BlkioEntry `json:"ioCostUsage,omitempty"`
	IoCostWait              []BlkioEntry `json:"ioCostWait,omitempty"`
	IoCostIndebt            []BlkioEntry `json:"ioCostIndebt,omitempty"`
	IoCostIndelay           []BlkioEntry `json:"ioCostIndelay,omitempty"`
}

// HugetlbStats is in bytes, of one page size.
type HugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// NetworkStats are the counters of one network interface.
type NetworkStats struct {
	Name      string `json:"name"`
	RxBytes   uint64 `json:"rx_bytes"`
	RxPackets uint64 `json:"rx_packets"`
	RxErrors  uint64 `json:"rx_errors"`
	RxDropped uint64 `json:"rx_dropped"`
	TxBytes   uint64 `json:"tx_bytes"`
	TxPackets uint64 `json:"tx_packets"`
	TxErrors  uint64 `json:"tx_errors"`
	TxDropped uint64 `json:"tx_dropped"`
}

// Stats reads the counters of the cgroup. On v2 they come in the same shape. Pressure stall information is there on v2
// and on hybrid hosts.
func (c *Cgroup) Stats() (*Stats, error) { return c.stats(lib.AllControllers) }

// Usage is Stats without what hardly changes, for who reads it every second.
func (c *Cgroup) Usage() (*Stats, error) { return c.stats(lib.CPU | lib.Memory | lib.Pids | lib.IO) }

func (c *Cgroup) stats(of lib.Controller) (*Stats, error) {
	m, err := c.library()
	if err != nil {
		return nil, err
	}
	s, err := m.Stats(&lib.StatsOptions{Controllers: of})
	if err != nil {
		return nil, fault.New(fault.Cgroup, "", err)
	}
	out := convertStats(s)
	c.addPressure(out)
	return out, nil
}

func convertStats(s *lib.Stats) *Stats {
	out := &Stats{IntelRdt: struct{}{}, Hugetlb: make(map[string]HugetlbStats, len(s.HugetlbStats))}
	u := &s.CpuStats.CpuUsage
	out.CPU = CPUStats{
		Usage: CPUUsage{
			Total: u.TotalUsage, Percpu: u.PercpuUsage, PercpuKernel: u.PercpuUsageInKernelmode, PercpuUser: u.PercpuUsageInUsermode,
			Kernel: u.UsageInKernelmode, User: u.UsageInUsermode,
		},
		Throttling: Throttling(s.CpuStats.ThrottlingData), PSI: s.CpuStats.PSI, Burst: Burst(s.CpuStats.BurstData),
	}
	out.Cpuset = CpusetStats(s.CPUSetStats)
	ms := &s.MemoryStats
	out.Memory = MemoryStats{
		Cache: ms.Cache, Usage: memoryUsage(ms.Usage), Swap: memoryUsage(ms.SwapUsage), Kernel: memoryUsage(ms.KernelUsage),
		KernelTCP: memoryUsage(ms.KernelTCPUsage), Raw: ms.Stats, PSI: ms.PSI,
	}
	out.Pids = PidsStats(s.PidsStats)
	b := &s.BlkioStats
	out.Blkio = BlkioStats{
		IoServiceBytesRecursive: blkio(b.IoServiceBytesRecursive), IoServicedRecursive: blkio(b.IoServicedRecursive),
		IoQueuedRecursive: blkio(b.IoQueuedRecursive), IoServiceTimeRecursive: blkio(b.IoServiceTimeRecursive),
		IoWaitTimeRecursive: blkio(b.IoWaitTimeRecursive), IoMergedRecursive: blkio(b.IoMergedRecursive),
		IoTimeRecursive: blkio(b.IoTimeRecursive), SectorsRecursive: blkio(b.SectorsRecursive), PSI: b.PSI,
		IoCostUsage: blkio(b.IoCostUsage), IoCostWait: blkio(b.IoCostWait),
		IoCostIndebt: blkio(b.IoCostIndebt), IoCostIndelay: blkio(b.IoCostIndelay),
	}
	for size, h := range s.HugetlbStats {
		out.Hugetlb[size] = HugetlbStats{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.Failcnt}
	}
	return out
}

func memoryUsage(d lib.MemoryData) MemoryUsage {
	return MemoryUsage{Limit: d.Limit, Usage: d.Usage, Max: d.MaxUsage, Failcnt: d.Failcnt}
}

func blkio(entries []lib.BlkioStatEntry) []BlkioEntry {
	var all []BlkioEntry
	for _, e := range entries {
		all = append(all, BlkioEntry(e))
	}
	return all
}
