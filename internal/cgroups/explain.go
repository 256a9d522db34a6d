package cgroups

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	lib "github.com/opencontainers/cgroups"

	"mydocker/internal/fault"
)

// Write is a file of a cgroup that would be written.
type Write struct {
	File  string // absolute
	Value string
	Field string // of the configuration
}

// What follows says what the methods of the same concern would do, for explain. It changes nothing on the host.

// Unit is the systemd unit of the container, and its slice; "" without.
func (c *Cgroup) Unit() (name, slice string) {
	if c.saved.Unit == nil {
		return "", ""
	}
	return c.saved.Unit.String(), c.saved.Unit.Slice
}

// Directories are those that Make makes. Where spare says so, the container does without the one that cannot be made.
func (c *Cgroup) Directories() (dirs []string, spare []bool) {
	if c.saved.Unit != nil {
		return nil, nil
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		dirs = append(dirs, h.dir())
		spare = append(spare, c.saved.Layout == V1 && h.optional() || c.saved.Rootless && !c.given && !c.limited)
	}
	return dirs, spare
}

// Owner is the host's uid that the v2 cgroup is given to.
func (c *Cgroup) Owner() (uid int, ok bool) {
	if c.owner == nil {
		return 0, false
	}
	return *c.owner, true
}

// Entered is the v2 cgroup that init is cloned into, as Dir gives it, "" where it joins later; outside is the file that
// Outside gives.
func (c *Cgroup) Entered() (dir, outside string) {
	if c.saved.Layout == V2 && c.saved.Unit == nil && len(c.saved.Hierarchies) > 0 {
		dir = c.saved.Hierarchies[0].dir()
		c.entered = true
	}
	outside = c.outside()
	c.left = outside != ""
	return dir, outside
}

// Joins are the files that Join, or JoinLate, writes init's number to.
func (c *Cgroup) Joins(late bool) (files []string) {
	if c.saved.Unit != nil || c.entered && !late {
		return nil
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if c.late(h) == late || late && c.returns(h) {
			files = append(files, h.dir()+"/cgroup.procs")
		}
	}
	return files
}

// Limits are the files that Set writes, without those of devices, and those that wait for JoinLate. They are what
// the code that sets limits has written, in directories that stand for the cgroups.
func (c *Cgroup) Limits() (now, late []Write, err error) {
	if len(c.saved.Hierarchies) == 0 || !c.limited {
		return nil, nil, nil
	}
	if now, err = c.rehearse((*Cgroup).setResources); err != nil || !c.memoryLater() {
		return now, nil, err
	}
	late, err = c.rehearse((*Cgroup).setMemory)
	return now, late, err
}

// Rules are the device rules: the files of the v1 controller, or lines of that form that the v2 program stands for.
func (c *Cgroup) Rules() []Write {
	h := c.hierarchy("devices")
	if h == nil {
		return nil
	}
	first, rest := h.dir()+"/devices.deny", h.dir()+"/devices.allow"
	if c.rules.allow {
		first, rest = rest, first
	}
	writes := []Write{{first, "a", resourcesField + "devices"}}
	for _, e := range c.rules.exceptions {
		writes = append(writes, Write{rest, e.String(), resourcesField + "devices"})
	}
	return writes
}

// rehearse has set write to files of a temporary directory.
func (c *Cgroup) rehearse(set func(*Cgroup) error) ([]Write, error) {
	stage, err := os.MkdirTemp("", "mydocker-explain-")
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Permission, "", err), "TMPDIR names a directory that can be written to")
	}
	defer func() { _ = os.RemoveAll(stage) }()
	// It is the library's own switch for cgroup files that are none.
	lib.TestMode = true
	defer func() { lib.TestMode = false }()
	var all []Write
	for _, r := range parts(c.resources) {
		act := *c
		act.resources, act.config, act.manager = r, nil, nil
		act.saved = *c.Saved()
		act.saved.Unit = nil
		act.given = false
		writes, err := act.play(stage, set)
		if err != nil {
			return nil, err
		}
		for _, w := range writes {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all, nil
}

// play sets, and says what the files are that have changed.
func (c *Cgroup) play(stage string, set func(*Cgroup) error) ([]Write, error) {
	stage, err := os.MkdirTemp(stage, "")
	if err != nil {
		return nil, err
	}
	names := map[string]string{} // of the stage's directories
	before := map[string]string{}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		dir := filepath.Join(stage, string(rune('a'+i)))
		names[dir] = h.dir()
		if err := furnish(dir, h, before); err != nil {
			return nil, err
		}
		h.Mount, h.Path = dir, ""
	}
	if err := set(c); err != nil {
		return nil, err
	}
	var writes []Write
	for i := range c.saved.Hierarchies {
		dir := c.saved.Hierarchies[i].dir()
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			value, err := readFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return nil, err
			}
			if was, ok := before[filepath.Join(dir, f.Name())]; !ok || was != value {
				writes = append(writes, Write{names[dir] + "/" + f.Name(), value, fieldOf(f.Name())})
			}
		}
	}
	return writes, nil
}

// props are the files that are read before others are written, and what they hold in a new cgroup. Those that not every
// kernel has are there if the cgroup above has them.
var props = [...]struct {
	name, value string
	optional    bool
}{
	{"cgroup.controllers", "", false},
	{"memory.limit_in_bytes", "9223372036854771712", false},
	{"memory.oom_control", "oom_kill_disable 0", false},
	{"memory.kmem.limit_in_bytes", "", false},
	{"memory.kmem.tcp.limit_in_bytes", "", false},
	{"io.weight", "", false},
	{"memory.memsw.limit_in_bytes", "9223372036854771712", true},
	{"memory.use_hierarchy", "1", true},
	{"blkio.weight", "500", true},
	{"io.bfq.weight", "default 100", true},
}

// furnish makes a directory that stands for a new cgroup of h.
func furnish(dir string, h *Hierarchy, before map[string]string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	above := h.above()
	for _, p := range props {
		value := p.value
		if p.optional {
			if _, err := os.Lstat(above + "/" + p.name); err != nil {
				continue
			}
		}
		if p.name == "cgroup.controllers" || p.name == "memory.use_hierarchy" {
			value, _ = readFile(above + "/" + p.name)
		}
		file := filepath.Join(dir, p.name)
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			return err
		}
		before[file] = value
	}
	return nil
}

// above is the nearest directory above the cgroup that is there.
func (h *Hierarchy) above() string {
	p := parent(h.Path)
	for p != "/" && filesystem(h.Mount+p) == 0 {
		p = parent(p)
	}
	return h.Mount + strings.TrimSuffix(p, "/")
}

// parts splits resources so that no part writes a file twice: of what has one line for each device, one a part.
func parts(r *lib.Resources) []*lib.Resources {
	first := *r
	all := []*lib.Resources{&first}
	one := func(set func(*lib.Resources)) {
		rest := &lib.Resources{}
		set(rest)
		all = append(all, rest)
	}
	first.BlkioWeightDevice, first.NetPrioIfpriomap, first.Rdma = nil, nil, nil
	for _, d := range r.BlkioWeightDevice {
		one(func(r *lib.Resources) { r.BlkioWeightDevice = []*lib.WeightDevice{d} })
	}
	for _, throttles := range []func(*lib.Resources) *[]*lib.ThrottleDevice{
		func(r *lib.Resources) *[]*lib.ThrottleDevice { return &r.BlkioThrottleReadBpsDevice },
		func(r *lib.Resources) *[]*lib.ThrottleDevice { return &r.BlkioThrottleWriteBpsDevice },
		func(r *lib.Resources) *[]*lib.ThrottleDevice { return &r.BlkioThrottleReadIOPSDevice },
		func(r *lib.Resources) *[]*lib.ThrottleDevice { return &r.BlkioThrottleWriteIOPSDevice },
	} {
		for _, d := range *throttles(r) {
			one(func(r *lib.Resources) { *throttles(r) = []*lib.ThrottleDevice{d} })
		}
		*throttles(&first) = nil
	}
	for _, p := range r.NetPrioIfpriomap {
		one(func(r *lib.Resources) { r.NetPrioIfpriomap = []*lib.IfPrioMap{p} })
	}
	for name, l := range r.Rdma {
		one(func(r *lib.Resources) { r.Rdma = map[string]lib.LinuxRdma{name: l} })
	}
	return all
}
