package cgroups

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"

	lib "github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// leastMemory is a memory limit with which no program can be executed: its page tables and kernel stack alone take
// more. The kernel takes such a limit for an empty cgroup and then kills whatever enters it.
const leastMemory = 64 << 10

// libConfig is the library's description of the cgroup.
func (c *Cgroup) libConfig() *lib.Cgroup {
	if c.config == nil {
		c.config = &lib.Cgroup{Rootless: c.saved.Rootless, Resources: c.resources}
		if c.resources == nil {
			c.config.Resources = &lib.Resources{}
		}
		if c.given && len(c.saved.Hierarchies) > 0 {
			c.config.Path = c.saved.Hierarchies[0].Path
		}
	}
	return c.config
}

// library returns the library's manager of the cgroup.
func (c *Cgroup) library() (lib.Manager, error) {
	if c.manager != nil {
		return c.manager, nil
	}
	ownDevices()
	var err error
	switch {
	case c.saved.Unit != nil:
		c.manager, err = c.systemd()
	case c.saved.Layout == V2:
		c.manager, err = fs2.NewManager(c.libConfig(), c.main().dir())
	default:
		c.manager, err = fs.NewManager(c.libConfig(), c.Paths())
	}
	if err != nil {
		return nil, fault.New(fault.Cgroup, "", err)
	}
	return c.manager, nil
}

// Set applies the limits and the device rules. Init may be in the cgroup already: a memory limit that could hurt it
// waits for JoinLate.
func (c *Cgroup) Set() error {
	if len(c.saved.Hierarchies) == 0 {
		return nil
	}
	if err := c.setResources(); err != nil || c.saved.Unit != nil {
		return err
	}
	return c.setDevices(c.rules)
}

// setResources does that for everything but the devices, which a systemd unit has among its properties.
func (c *Cgroup) setResources() error {
	r := *c.resources
	if err := c.checkLeast(r.Memory); err != nil {
		return err
	}
	if c.memoryLater() {
		r.Memory, r.MemorySwap, r.MemoryReservation = 0, 0, 0
	}
	unit := c.saved.Unit != nil
	r.SkipDevices = !unit
	if !c.limited && !unit {
		return nil
	}
	if err := c.setLimits(&r); err != nil {
		return err
	}
	return c.setExtra(&r, &c.extra)
}

// setLimits has the library apply what it knows.
func (c *Cgroup) setLimits(r *lib.Resources) error {
	m, err := c.library()
	if err != nil {
		return err
	}
	r = idleAlone(r)
	period := c.ownPeriod(r)
	if err := c.answered("set the limits of", func() error { return m.Set(r) }); err != nil {
		return c.setError(r, err)
	}
	return c.setError(r, c.keepPeriod(period))
}

// idleAlone leaves out the weight of a cgroup that is to be idle: the kernel, which has cpu.idle since
// Linux 5.15, refuses it then.
func idleAlone(r *lib.Resources) *lib.Resources {
	const idle, weight = "cpu.idle", "cpu.weight"
	asked := r.CPUIdle != nil && *r.CPUIdle == 1 || r.Unified[idle] == "1"
	if !asked || r.CpuShares == 0 && r.CpuWeight == 0 && r.Unified[weight] == "" {
		return r
	}
	logrus.Warnf("unable to apply both %scpu.shares and %[1]scpu.idle: what is idle has no weight", resourcesField)
	alone := *r
	alone.CpuShares, alone.CpuWeight = 0, 0
	alone.Unified = maps.Clone(r.Unified)
	delete(alone.Unified, weight)
	return &alone
}

// checkLeast refuses a limit that no program can live with.
func (c *Cgroup) checkLeast(limit int64) error {
	if limit <= 0 || limit >= leastMemory {
		return nil
	}
	usage, peak := "memory.usage_in_bytes", "memory.max_usage_in_bytes"
	if c.saved.Layout == V2 {
		usage, peak = "memory.current", "memory.peak"
	}
	return fault.Hint(fault.New(fault.MemoryLow, resourcesField+"memory.limit", fmt.Errorf(
		"unable to set memory limit to %d (current usage: %d, peak usage: %d)", limit, c.number("memory", usage), c.number("memory", peak))),
		"a program needs some hundred kilobytes to start")
}

// number reads a file of a controller with one number, 0 if it cannot be read.
func (c *Cgroup) number(controller, name string) uint64 {
	h := c.hierarchy(controller)
	if h == nil {
		return 0
	}
	text, err := readFile(h.dir() + "/" + name)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// memoryLater tells whether the memory limit has to wait until init has made all its memory: it is small, and init
// is charged to the container.
func (c *Cgroup) memoryLater() bool {
	h := c.hierarchy("memory")
	if h == nil || c.resources.Memory <= 0 || c.resources.Memory >= smallMemory || c.left {
		return false
	}
	return c.saved.Layout == V2 || c.private
}

// setMemory applies the memory limits that Set left out.
func (c *Cgroup) setMemory() error {
	return c.setLimits(&lib.Resources{
		Memory: c.resources.Memory, MemorySwap: c.resources.MemorySwap, MemoryReservation: c.resources.MemoryReservation,
		SkipDevices: true,
	})
}

// setDevices applies device rules. Those of a v1 cgroup that this process has made need no comparison with what is
// there. Systemd is told of them: it would put its own view, which is "all", over what it does not know.
func (c *Cgroup) setDevices(rules *ruleset) error {
	if c.saved.Unit != nil {
		return c.setLimits(&lib.Resources{Devices: rules.library()})
	}
	h := c.hierarchy("devices")
	if h == nil {
		if c.saved.Rootless {
			return nil
		}
		return fault.New(fault.Cgroup, resourcesField+"devices", errors.New("cgroup controller devices is not mounted: devices cannot be kept from the container"))
	}
	var err error
	switch {
	case c.saved.Layout == V2:
		err = rules.attachProgram(h.dir(), h.fresh)
	case h.fresh:
		err = rules.writeRules(h.dir())
	default:
		err = rules.changeRules(h.dir())
	}
	if err == nil || c.mayLackDevices(err) {
		return nil
	}
	return fault.New(fault.Cgroup, resourcesField+"devices", fmt.Errorf("set device rules: %w", err))
}

// setExtra applies what the library leaves out.
func (c *Cgroup) setExtra(r *lib.Resources, x *extra) error {
	if c.saved.Layout == V2 {
		return c.deviceWeights(r)
	}
	h := c.hierarchy("memory")
	if h == nil {
		return nil
	}
	for _, limit := range []struct {
		name, field string
		value       int64
	}{{"memory.kmem.limit_in_bytes", "memory.kernel", x.kernel}, {"memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP", x.kernelTCP}} {
		if limit.value <= 0 {
			continue
		}
		name := h.dir() + "/" + limit.name
		err := writeFile(name, strconv.FormatInt(limit.value, 10))
		now, _ := readFile(name)
		// The kernel rounds to pages. One that has given the limit up takes the value and forgets it.
		if got, parseErr := strconv.ParseInt(now, 10, 64); err == nil && (parseErr != nil || got > limit.value) {
			err = errors.New("this kernel has no such limit any more")
		}
		if err != nil {
			return fault.New(fault.Unsupported, resourcesField+limit.field, fmt.Errorf("set %s: %w", limit.field, err))
		}
	}
	if x.oomKiller != nil {
		if err := setOOMKiller(h.dir(), *x.oomKiller); err != nil {
			return fault.New(fault.Cgroup, resourcesField+"memory.disableOOMKiller", err)
		}
	}
	if x.useHierarchy {
		name := h.dir() + "/memory.use_hierarchy"
		if now, err := readFile(name); err == nil && now != "1" {
			if err := writeFile(name, "1"); err != nil {
				return fault.New(fault.Cgroup, resourcesField+"memory.useHierarchy", err)
			}
		}
	}
	return nil
}

// setOOMKiller switches the OOM killer of a v1 cgroup if it has to.
func setOOMKiller(dir string, on bool) error {
	name := dir + "/memory.oom_control"
	now, err := readFile(name)
	if err != nil {
		return err
	}
	if strings.Contains(now, "oom_kill_disable 0") == on {
		return nil
	}
	if on {
		return writeFile(name, "0")
	}
	return writeFile(name, "1")
}

// deviceWeights sets the weights of single devices where the scheduler is not BFQ, which is all the library knows.
func (c *Cgroup) deviceWeights(r *lib.Resources) error {
	dir := c.main().dir()
	if len(r.BlkioWeightDevice) == 0 || unix.Access(dir+"/io.bfq.weight", unix.F_OK) == nil {
		return nil
	}
	for _, d := range r.BlkioWeightDevice {
		weight := lib.ConvertBlkIOToIOWeightValue(d.Weight)
		if err := writeFile(dir+"/io.weight", fmt.Sprintf("%d:%d %d", d.Major, d.Minor, weight)); err != nil {
			return fault.New(fault.Cgroup, resourcesField+"blockIO.weightDevice", err)
		}
	}
	return nil
}

// setError adds the field that a limit comes from, and what to do about a controller that is not there.
func (c *Cgroup) setError(r *lib.Resources, err error) error {
	if err == nil || fault.Of(err).Code != "" {
		return err
	}
	field, name := "linux.resources", ""
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		name = path.Base(pathError.Path)
		field = fieldOf(name)
		err = fmt.Errorf("set %s: %w", name, err)
	}
	switch text := err.Error(); {
	case strings.Contains(text, "cpu-shares"):
		field = resourcesField + "cpu.shares"
	case strings.Contains(text, "unified resource"):
		field = resourcesField + "unified"
	case field == "linux.resources" && strings.Contains(text, "memory"):
		field = resourcesField + "memory.limit"
	}
	controller, _, _ := strings.Cut(name, ".")
	if controller != "" && c.saved.Layout == V2 && (errors.Is(err, unix.ENOENT) || lacksPermission(err)) {
		have, _ := readFile(c.main().dir() + "/cgroup.controllers")
		if !strings.Contains(" "+have+" ", " "+controller+" ") {
			return noController(field, controller, err)
		}
	}
	return c.refused(r, field, err)
}
