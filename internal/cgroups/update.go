package cgroups

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	lib "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// Update changes what r sets; zeros stay as they are. The device rules change only if r has one that is more than
// the "deny everything" that engines send along with every update. When one limit cannot be set, those that were
// set before it get their old values back.
func (c *Cgroup) Update(r *specs.LinuxResources) error {
	to, x, err := convert(r, c.saved.Layout)
	if err != nil {
		return err
	}
	if err := c.needControllers(r); err != nil {
		return err
	}
	var rules *ruleset
	if !denyAll(r.Devices) {
		if rules, err = mergeRules(r.Devices); err != nil {
			return err
		}
	}
	if x.checkMemory {
		if err := c.checkMemory(to); err != nil {
			return err
		}
	}
	c.wholeCPU(to)
	old := c.snapshot(r, rules != nil)
	if err := c.update(to, &x, rules); err != nil {
		return errors.Join(err, old.restore(c))
	}
	return nil
}

func (c *Cgroup) update(to *lib.Resources, x *extra, rules *ruleset) error {
	to.SkipDevices = true
	if err := c.updateUnit(to); err != nil {
		return fault.New(fault.Cgroup, resourcesField+"blockIO.weight", err)
	}
	if err := c.setLimits(to); err != nil {
		return err
	}
	if err := c.setExtra(to, x); err != nil {
		return err
	}
	if rules == nil {
		return nil
	}
	return c.setDevices(rules)
}

// wholeCPU gives a quota its period, and the other way round: v2 has both in one file, cpu.max, and the library would write a
// default for the one that it is not given.
func (c *Cgroup) wholeCPU(to *lib.Resources) {
	if c.saved.Layout != V2 || (to.CpuQuota != 0) == (to.CpuPeriod != 0) {
		return
	}
	now, err := readFile(c.main().dir() + "/cpu.max")
	if err != nil {
		return // to set it meets the same
	}
	quota, period, _ := strings.Cut(now, " ")
	if to.CpuPeriod == 0 {
		to.CpuPeriod, _ = strconv.ParseUint(period, 10, 64)
		return
	}
	if to.CpuQuota, err = strconv.ParseInt(quota, 10, 64); err != nil {
		to.CpuQuota = -1 // "max"
	}
}

// checkMemory refuses limits below what is in use (config-linux.md, memory.checkBeforeUpdate).
func (c *Cgroup) checkMemory(to *lib.Resources) error {
	usage := "memory.usage_in_bytes"
	both := "memory.memsw.usage_in_bytes"
	if c.saved.Layout == V2 {
		usage, both = "memory.current", "memory.current"
	}
	if used := c.number("memory", both); to.MemorySwap > 0 && uint64(to.MemorySwap) <= used {
		return fault.New(fault.Cgroup, resourcesField+"memory.swap",
			fmt.Errorf("rejecting memory+swap limit %d <= usage %d", to.MemorySwap, used))
	}
	if used := c.number("memory", usage); to.Memory > 0 && uint64(to.Memory) <= used {
		return fault.New(fault.Cgroup, resourcesField+"memory.limit",
			fmt.Errorf("rejecting memory limit %d <= usage %d", to.Memory, used))
	}
	return nil
}
