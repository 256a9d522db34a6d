// Package rdt puts containers into groups of Intel's Resource Director Technology: shares of the cache and of the
// memory bandwidth, and their monitoring, through the resctrl filesystem (runtime-spec, config-linux.md, "IntelRdt";
// Documentation/filesystems/resctrl.rst of the kernel).
package rdt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Config is what a group is made of.
type Config struct {
	ID   string // the container's
	Spec *specs.LinuxIntelRdt
	Root string // where resctrl is mounted; "" to find it
}

// Saved is what later commands have to know of a group.
type Saved struct {
	Root    string `json:"root"`
	Dir     string `json:"dir"`               // the control group
	Made    bool   `json:"made,omitempty"`    // it is the container's alone and goes with it
	Monitor string `json:"monitor,omitempty"` // the monitoring group, which always does
}

// Group is a container's group.
type Group struct{ saved Saved }

// Load returns the group that Make has made.
func Load(s *Saved) *Group { return &Group{*s} }

// Saved is what Load wants.
func (g *Group) Saved() *Saved { s := g.saved; return &s }

// errNotEnabled is a text that engines match.
var errNotEnabled = errors.New("intelRdt is specified in config, but Intel RDT is not enabled")

// Make makes a group, or takes the one that closID names, and sets its schemata. What it has made of a group that
// then cannot be set up is removed.
func Make(c *Config) (*Group, error) {
	root := c.Root
	if root == "" {
		var err error
		if root, err = find(); err != nil {
			return nil, err
		}
	}
	g := &Group{Saved{Root: root}}
	made, err := g.makeControl(c)
	if err != nil {
		return nil, wrong("", err)
	}
	if err := g.setUp(c, made); err != nil {
		if made {
			_ = unix.Rmdir(g.saved.Dir)
		}
		return nil, err
	}
	return g, nil
}

// Check tells whether the host can do what the configuration asks for, without making anything.
func Check() error {
	_, err := find()
	return err
}

// find looks for the mounted resctrl filesystem.
func find() (string, error) {
	all, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("resctrl"))
	if err != nil {
		return "", fmt.Errorf("list mounts: %w", err)
	}
	if len(all) == 0 {
		return "", fault.Hint(fault.New(fault.Unsupported, "linux.intelRdt", errNotEnabled),
			"it needs a CPU with RDT, and `mount -t resctrl resctrl /sys/fs/resctrl`")
	}
	return all[0].Mountpoint, nil
}

// reserved are directories of resctrl itself.
func reserved() map[string]bool {
	return map[string]bool{"info": true, "mon_groups": true, "mon_data": true}
}

// makeControl finds or makes the control group, and tells whether it was made.
func (g *Group) makeControl(c *Config) (made bool, err error) {
	name := c.Spec.ClosID
	if name == "" {
		name = c.ID
	}
	if reserved()[name] {
		return false, fmt.Errorf("%q is a directory of the resctrl filesystem itself, and no group", name)
	}
	g.saved.Dir = filepath.Join(g.saved.Root, name)
	if name == "/" {
		return false, nil
	}
	if c.Spec.ClosID != "" && len(schemata(c.Spec)) == 0 {
		var st unix.Stat_t
		if err := unix.Stat(g.saved.Dir, &st); err != nil {
			return false, fault.Hint(fmt.Errorf("group %s: %w", g.saved.Dir, err),
				"a closID without schemata names a group that is there; with l3CacheSchema, memBwSchema or schemata it is made")
		}
		return false, nil
	}
	switch err := unix.Mkdir(g.saved.Dir, 0o755); err {
	case nil:
		g.saved.Made = c.Spec.ClosID == ""
		return true, nil
	case unix.EEXIST:
		return false, nil
	case unix.ENOSPC:
		return false, fault.Hint(fmt.Errorf("make group %s: %w", g.saved.Dir, err), "the CPU has no further class of service (num_closids)")
	default:
		return false, fmt.Errorf("make group %s: %w", g.saved.Dir, err)
	}
}

func (g *Group) setUp(c *Config, made bool) error {
	if !made && c.Spec.ClosID != "" {
		if err := g.compare(c.Spec); err != nil {
			return err
		}
	}
	for _, s := range schemata(c.Spec) {
		if err := g.writeSchemata(s.text); err != nil {
			return wrong(s.field, err)
		}
	}
	if !c.Spec.EnableMonitoring {
		return nil
	}
	monitor := filepath.Join(g.saved.Dir, "mon_groups", c.ID)
	if err := unix.Mkdir(monitor, 0o755); err != nil {
		return wrong("enableMonitoring", fmt.Errorf("make monitoring group %s: %w", monitor, err))
	}
	g.saved.Monitor = monitor
	return nil
}

// schema is what one write sets. The kernel takes a resource but once in each.
type schema struct{ field, text string }

// schemata are the writes, in the order that the specification wants.
func schemata(s *specs.LinuxIntelRdt) []schema {
	var all []schema
	if s.L3CacheSchema != "" {
		all = append(all, schema{"l3CacheSchema", s.L3CacheSchema})
	}
	if s.MemBwSchema != "" {
		all = append(all, schema{"memBwSchema", s.MemBwSchema})
	}
	if len(s.Schemata) > 0 {
		all = append(all, schema{"schemata", strings.Join(s.Schemata, "\n")})
	}
	return all
}

// Schemata is what is written to the file schemata of a group, "" for nothing.
func Schemata(s *specs.LinuxIntelRdt) string {
	var b strings.Builder
	for _, part := range schemata(s) {
		b.WriteString(part.text + "\n")
	}
	return b.String()
}

func (g *Group) writeSchemata(text string) error {
	return g.write(filepath.Join(g.saved.Dir, "schemata"), text+"\n")
}

// write writes a file of resctrl in one write(2), and says why the kernel refuses.
func (g *Group) write(path, text string) error {
	err := os.WriteFile(path, []byte(text), 0o644)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write %q: %w", text, err)
	if why, _ := os.ReadFile(filepath.Join(g.saved.Root, "info/last_cmd_status")); len(why) > 0 {
		err = fmt.Errorf("%w (%s)", err, bytes.TrimSpace(why))
	}
	return err
}

// Join moves a process into the group; its children follow.
func (g *Group) Join(pid int) error {
	for _, dir := range []string{g.saved.Dir, g.saved.Monitor} {
		if dir == "" {
			continue
		}
		if err := g.write(filepath.Join(dir, "tasks"), strconv.Itoa(pid)); err != nil {
			return wrong("", fmt.Errorf("join group: %w", err))
		}
	}
	return nil
}

// Update changes the schemata that are not nil.
func (g *Group) Update(l3Cache, memBw *string) error {
	for _, s := range []struct {
		field string
		text  *string
	}{{"l3CacheSchema", l3Cache}, {"memBwSchema", memBw}} {
		if s.text == nil || *s.text == "" {
			continue
		}
		if err := g.writeSchemata(*s.text); err != nil {
			return wrong(s.field, err)
		}
	}
	return nil
}

// Delete removes what Make has made, but for a group of a closID, which others may use.
func (g *Group) Delete() error {
	if g.saved.Monitor != "" {
		if err := rmdir(g.saved.Monitor); err != nil {
			return err
		}
	}
	if g.saved.Made {
		return rmdir(g.saved.Dir)
	}
	return nil
}

func rmdir(dir string) error {
	if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
		return wrong("", fmt.Errorf("remove group %s: %w", dir, err))
	}
	return nil
}

func wrong(field string, err error) error {
	if field != "" {
		field = "." + field
	}
	return fault.New(fault.Cgroup, "linux.intelRdt"+field, err)
}
