// Package cgroups makes, limits, watches and removes the container's cgroup: v1 (and hybrid), v2, and through systemd.
//
// It stands on github.com/opencontainers/cgroups. Its managers apply the limits, read the statistics, freeze, and
// talk to systemd. What every container goes through on the way to its start is done here instead: directories,
// cgroup.procs, and the device rules of a new v1 cgroup. The managers parse mountinfo, resolve each file anew and
// read the device list twice, which are most of the system calls of a container that has no limits.
package cgroups

import (
	"errors"
	"fmt"
	"slices"

	lib "github.com/opencontainers/cgroups"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
	"mydocker/internal/spawn"
)

// Options say which cgroup a container gets.
type Options struct {
	ID       string // the container's
	Path     string // linux.cgroupsPath as written
	Systemd  bool   // through systemd
	Rootless bool   // lack of permission is tolerated where there are no limits and no path
	// UserSession takes the user's own systemd rather than the host's.
	UserSession bool
	// Annotations that begin with PropertyPrefix become properties of the systemd unit.
	Annotations map[string]string
	// OwnerUID is the host's uid that is to own the v2 cgroup; nil derives it from the spec (config-linux.md,
	// "Cgroup ownership").
	OwnerUID *int
}

// Cgroup is the cgroup of a container: one directory in each hierarchy.
type Cgroup struct {
	saved      Saved
	resources  *lib.Resources        // nil when it was loaded
	asked      *specs.LinuxResources // what they are made of
	extra      extra
	rules      *ruleset
	given      bool // linux.cgroupsPath is given
	limited    bool // any resource but devices is limited
	private    bool // the container gets a cgroup namespace of its own
	owner      *int
	config     *lib.Cgroup // of systemd's manager
	manager    lib.Manager
	entered    bool          // init was started in the cgroup, which Dir gave
	left       bool          // init waits outside, which Outside gave, until JoinLate
	holder     *spawn.Holder // is in the unit meanwhile
	execIsLate *bool         // what execLate has answered
}

// Saved is what later commands need to know of a cgroup.
type Saved struct {
	Layout      Layout      `json:"layout"`
	Hierarchies []Hierarchy `json:"hierarchies"`
	Unit        *Unit       `json:"unit,omitempty"`
	Rootless    bool        `json:"rootless,omitempty"`
	Init        int         `json:"init,omitempty"` // init's process ID
}

// New validates the resources of the spec and finds the place of the container's cgroup. It makes nothing.
func New(spec *specs.Spec, o *Options) (*Cgroup, error) {
	c, wrong := look(spec, o)
	if len(wrong) > 0 {
		return c, wrong[0]
	}
	return c, nil
}

func look(spec *specs.Spec, o *Options) (*Cgroup, []error) {
	linux := spec.Linux
	if linux == nil {
		linux = &specs.Linux{}
	}
	c := &Cgroup{saved: Saved{Layout: Mode(), Rootless: o.Rootless}, given: o.Path != "", private: privateNamespace(linux)}
	var err error
	if c.saved.Hierarchies, err = find(c.saved.Layout); err != nil {
		return nil, []error{fault.New(fault.Cgroup, "", err)}
	}
	r := linux.Resources
	if r == nil {
		r = &specs.LinuxResources{}
	}
	c.asked = r
	var wrong []error
	c.resources, c.extra, wrong = convertAll(r, c.saved.Layout)
	wrong = append(wrong, c.missingControllers(r)...)
	c.limited = limited(r)
	if c.rules, err = mergeRules(r.Devices); err != nil {
		return nil, append(wrong, err)
	}
	c.resources.Devices = c.rules.library()
	if c.saved.Layout == V2 {
		c.owner = o.OwnerUID
		if c.owner == nil {
			c.owner = delegate(spec)
		}
	}
	place := c.place
	if o.Systemd {
		place = c.placeUnit
	}
	if err := place(o); err != nil {
		wrong = append(wrong, err)
	}
	return c, wrong
}

// place sets the container's path in every hierarchy. A caller without privileges can make a cgroup only below the
// one that was delegated to it: there the container's cgroup is a sibling of the caller's, since a v2 cgroup that
// has processes cannot give controllers to its children.
func (c *Cgroup) place(o *Options) error {
	p, err := cleanPath(o.Path, o.ID)
	if err != nil {
		return err
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		h.Path = p
		if !o.Rootless || c.given {
			continue
		}
		own, err := h.ownPath()
		if err != nil {
			continue
		}
		h.Path = siblingPath(own, p, c.saved.Layout)
	}
	return nil
}

func siblingPath(own, p string, layout Layout) string {
	if layout == V2 {
		own = parent(own)
	}
	if own == "/" {
		return p
	}
	return own + p
}

func privateNamespace(l *specs.Linux) bool {
	return slices.ContainsFunc(l.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.CgroupNamespace && ns.Path == ""
	})
}

// Load returns the cgroup that was saved.
func Load(s *Saved) (*Cgroup, error) {
	if s == nil || len(s.Hierarchies) == 0 {
		return nil, fault.New(fault.Cgroup, "", errors.New("container has no cgroup"))
	}
	if s.Layout != Mode() {
		return nil, fault.New(fault.Cgroup, "", fmt.Errorf("container was made on cgroup v%d, the host now has v%d", s.Layout, Mode()))
	}
	c := &Cgroup{saved: *s, given: true}
	c.saved.Hierarchies = slices.Clone(s.Hierarchies)
	return c, nil
}

// Saved returns what Load needs, nil if the container has no cgroup.
func (c *Cgroup) Saved() *Saved {
	if len(c.saved.Hierarchies) == 0 {
		return nil
	}
	s := c.saved
	s.Hierarchies = slices.Clone(s.Hierarchies)
	return &s
}

// Paths are the directories of the cgroup, by controller; "" is the v2 tree.
func (c *Cgroup) Paths() map[string]string {
	return c.byController(func(h *Hierarchy) string { return h.dir() })
}

// RelativePaths are the paths of the cgroup relative to the mounts of the hierarchies, by controller.
func (c *Cgroup) RelativePaths() map[string]string {
	return c.byController(func(h *Hierarchy) string { return h.Path })
}

func (c *Cgroup) byController(path func(*Hierarchy) string) map[string]string {
	m := make(map[string]string, len(c.saved.Hierarchies)+2)
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if len(h.Controllers) == 0 {
			m[""] = path(h)
		}
		for _, controller := range h.Controllers {
			m[controller] = path(h)
		}
	}
	return m
}

// hierarchy returns that of a controller, nil without; on v2 all controllers are in the one.
func (c *Cgroup) hierarchy(controller string) *Hierarchy {
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if c.saved.Layout == V2 || h.has(controller) {
			return h
		}
	}
	return nil
}

// unified returns the v2 tree, which a hybrid host has too; nil without.
func (c *Cgroup) unified() *Hierarchy {
	for i := range c.saved.Hierarchies {
		if h := &c.saved.Hierarchies[i]; len(h.Controllers) == 0 {
			return h
		}
	}
	return nil
}

// main returns the hierarchy that is asked for the container's processes: one that init joins before it runs.
func (c *Cgroup) main() *Hierarchy {
	for _, controller := range []string{"devices", "pids", "freezer", "cpu"} {
		if h := c.hierarchy(controller); h != nil {
			return h
		}
	}
	if len(c.saved.Hierarchies) == 0 {
		return nil
	}
	return &c.saved.Hierarchies[0]
}

// Exists tells whether the cgroup is there.
func (c *Cgroup) Exists() bool {
	h := c.main()
	return h != nil && filesystem(h.dir()) != 0
}
