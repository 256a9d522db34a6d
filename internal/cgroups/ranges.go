package cgroups

import (
	"errors"
	"fmt"
	"strings"

	lib "github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// outOfRange finds limits that the kernel would refuse, as far as its rules show beforehand.
func (c *Cgroup) outOfRange(r *lib.Resources) (wrong []error) {
	refuse := func(is bool, field, format string, args ...any) {
		if is {
			wrong = append(wrong, fault.New(fault.Cgroup, resourcesField+field, fmt.Errorf(format, args...)))
		}
	}
	// Documentation/scheduler/sched-bwc.rst, in microseconds. Systemd is given the quota in hundredths of a CPU, rounded up.
	const least, most = 1000, 1000000
	refuse(r.CpuQuota > 0 && r.CpuQuota < least && c.saved.Unit == nil, "cpu.quota", "the kernel refuses a quota of %d microseconds: the least is %d", r.CpuQuota, least)
	refuse(r.CpuPeriod != 0 && (r.CpuPeriod < least || r.CpuPeriod > most), "cpu.period",
		"the kernel refuses a period of %d microseconds: it may be %d to %d", r.CpuPeriod, least, most)
	if c.saved.Layout == V1 {
		const leastShares, mostShares = 2, 1 << 18
		refuse(r.CpuShares != 0 && (r.CpuShares < leastShares || r.CpuShares > mostShares), "cpu.shares",
			"the kernel has no shares of %d: they may be %d to %d", r.CpuShares, leastShares, mostShares)
		refuse(r.MemorySwap > 0 && (r.Memory <= 0 || r.MemorySwap < r.Memory), "memory.swap",
			"the kernel refuses %d bytes of memory and swap: it is less than memory alone may be", r.MemorySwap)
	}
	for _, list := range []struct{ field, file, given, possible string }{
		{"cpu.cpus", "cpuset.cpus", r.CpusetCpus, "/sys/devices/system/cpu/possible"},
		{"cpu.mems", "cpuset.mems", r.CpusetMems, "/sys/devices/system/node/possible"},
	} {
		have := c.available(list.file, list.possible)
		extra, found := notIn(list.given, have)
		refuse(found, list.field, "there is no %d among %s", extra, have)
	}
	for _, t := range []struct {
		field   string
		devices []*lib.ThrottleDevice
	}{
		{"throttleReadBpsDevice", r.BlkioThrottleReadBpsDevice}, {"throttleWriteBpsDevice", r.BlkioThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", r.BlkioThrottleReadIOPSDevice}, {"throttleWriteIOPSDevice", r.BlkioThrottleWriteIOPSDevice},
	} {
		for i, d := range t.devices {
			number := fmt.Sprintf("%d:%d", d.Major, d.Minor)
			refuse(errors.Is(unix.Access("/sys/dev/block/"+number, unix.F_OK), unix.ENOENT), fmt.Sprintf("blockIO.%s[%d]", t.field, i),
				"there is no block device %s", number)
		}
	}
	return wrong
}

// refused is the error of a limit that the kernel has refused, with the rule that it breaks where that is known.
func (c *Cgroup) refused(r *lib.Resources, field string, err error) error {
	err = fault.New(fault.Cgroup, field, err)
	for _, wrong := range c.outOfRange(r) {
		if fault.Of(wrong).Field == field {
			return fault.Hint(err, wrong.Error())
		}
	}
	return err
}

// available is the list of CPUs or memory nodes that a cpuset can be given: on v1 what the one above has, on v2 all.
func (c *Cgroup) available(file, possible string) string {
	if h := c.hierarchy("cpuset"); h != nil && c.saved.Layout == V1 {
		for p := h.Path; len(p) > 1; {
			p = parent(p)
			if have, err := readFile(h.Mount + strings.TrimSuffix(p, "/") + "/" + file); err == nil && have != "" {
				return have
			}
		}
	}
	have, _ := readFile(possible)
	return have
}
