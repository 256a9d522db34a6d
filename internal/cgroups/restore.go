package cgroups

import (
	"fmt"
	"strings"

	lib "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// setting is a file of the cgroup and its content.
type setting struct{ dir, name, value string }

// snapshot is what an update may change.
type snapshot struct {
	settings []setting
	devices  *setting // v1: devices.list
}

// settings are the files with limits of a controller, by its v1 name.
func settings(controller string) (v1, v2 []string) {
	switch controller {
	case "memory":
		return []string{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness", "memory.kmem.tcp.limit_in_bytes", "memory.oom_control"},
			[]string{"memory.max", "memory.swap.max", "memory.low"}
	case "cpu":
		return []string{"cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.cfs_burst_us", "cpu.rt_period_us", "cpu.rt_runtime_us", "cpu.idle"},
			[]string{"cpu.weight", "cpu.max", "cpu.max.burst", "cpu.idle"}
	case "cpuset":
		return []string{"cpuset.cpus", "cpuset.mems"}, []string{"cpuset.cpus", "cpuset.mems"}
	case "pids":
		return []string{"pids.max"}, []string{"pids.max"}
	case "blkio":
		return []string{
			"blkio.weight", "blkio.bfq.weight", "blkio.weight_device", "blkio.bfq.weight_device", "blkio.throttle.read_bps_device",
			"blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device",
		}, []string{"io.weight", "io.bfq.weight", "io.max"}
	case "net_cls":
		return []string{"net_cls.classid"}, nil
	case "net_prio":
		return []string{"net_prio.ifpriomap"}, nil
	case "rdma":
		return []string{"rdma.max"}, []string{"rdma.max"}
	}
	return nil, nil
}

// snapshot reads what r may change.
func (c *Cgroup) snapshot(r *specs.LinuxResources, devices bool) *snapshot {
	s := &snapshot{}
	read := func(h *Hierarchy, name string) {
		if value, err := readFile(h.dir() + "/" + name); err == nil {
			s.settings = append(s.settings, setting{h.dir(), name, value})
		}
	}
	seen := map[string]bool{}
	for _, u := range controllersOf(r) {
		h := c.hierarchy(u.controller)
		if h == nil || seen[u.controller] {
			continue
		}
		seen[u.controller] = true
		for _, name := range c.files(u.controller, r) {
			read(h, name)
		}
	}
	for name := range r.Unified {
		read(c.main(), name)
	}
	if h := c.hierarchy("devices"); devices && h != nil && c.saved.Layout == V1 {
		if value, err := readLines(h.dir() + "/devices.list"); err == nil {
			s.devices = &setting{h.dir(), "devices.list", value}
		}
	}
	return s
}

func (c *Cgroup) files(controller string, r *specs.LinuxResources) []string {
	if controller == "hugetlb" {
		suffix := ".limit_in_bytes"
		if c.saved.Layout == V2 {
			suffix = ".max"
		}
		var names []string
		for _, l := range r.HugepageLimits {
			names = append(names, "hugetlb."+l.Pagesize+suffix, "hugetlb."+l.Pagesize+".rsvd"+suffix)
		}
		return names
	}
	v1, v2 := settings(controller)
	if c.saved.Layout == V2 {
		return v2
	}
	return v1
}

// restore puts the old values back.
func (s *snapshot) restore(c *Cgroup) error {
	var err error
	// Limits that depend on each other, as memory and memory+swap do, can be changed in one order only. Which one,
	// two rounds find out.
	for range 2 {
		err = nil
		for i := range s.settings {
			if one := s.settings[i].restore(); one != nil && err == nil {
				err = fmt.Errorf("put back the old limits: %w", one)
			}
		}
		if err == nil {
			break
		}
	}
	if s.devices != nil {
		s.devices.restoreDevices()
	}
	if c.saved.Unit != nil && c.saved.Layout == V2 {
		c.restoreUnit(s)
	}
	return err
}

// restoreUnit tells systemd the old values, which else would write its own over them. That the files are as they
// were is what counts; systemd may know less of them.
func (c *Cgroup) restoreUnit(s *snapshot) {
	m, err := c.library()
	if err != nil {
		return
	}
	old := make(map[string]string)
	for _, f := range s.settings {
		if f.value != "" && !strings.Contains(f.value, "\n") && !strings.HasPrefix(f.name, "io.") {
			old[f.name] = f.value
		}
	}
	_ = c.answered("set the limits of", func() error { return m.Set(&lib.Resources{Unified: old, SkipDevices: true}) })
}

func (f *setting) restore() error {
	name := f.dir + "/" + f.name
	now, err := readFile(name)
	if err != nil || now == f.value {
		return err
	}
	if f.name == "memory.oom_control" {
		return setOOMKiller(f.dir, strings.Contains(f.value, "oom_kill_disable 0"))
	}
	fd, err := open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Files with a line for each device: those that had none get their limits taken off.
	if none := unlimited(f.name); none != "" {
		for line := range strings.SplitSeq(now, "\n") {
			if device, _, _ := strings.Cut(line, " "); strings.Contains(device, ":") && !strings.Contains("\n"+f.value, "\n"+device+" ") {
				_ = write(fd, name, device+none)
			}
		}
		if f.value == "" {
			return nil
		}
	}
	for line := range strings.SplitSeq(f.value, "\n") {
		if err := write(fd, name, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// unlimited is what takes the limit of a device off, "" for files that have no devices.
func unlimited(name string) string {
	switch {
	case name == "io.max":
		return " rbps=max wbps=max riops=max wiops=max"
	case name == "io.weight" || name == "io.bfq.weight":
		return " default"
	case strings.HasPrefix(name, "blkio.") && strings.HasSuffix(name, "_device"):
		return " 0"
	}
	return ""
}

// restoreDevices brings devices.list back to what it was: the rules that are new go, those that were there come back.
func (f *setting) restoreDevices() {
	now, err := readFile(f.dir + "/" + f.name)
	if err != nil || now == f.value {
		return
	}
	for line := range strings.SplitSeq(now, "\n") {
		if line != "" && !strings.Contains("\n"+f.value+"\n", "\n"+line+"\n") {
			_ = writeFile(f.dir+"/devices.deny", line)
		}
	}
	for line := range strings.SplitSeq(f.value, "\n") {
		if line != "" {
			_ = writeFile(f.dir+"/devices.allow", line)
		}
	}
}
