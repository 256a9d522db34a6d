package cgroups

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Problems are all errors of which New returns the first, and those that making and limiting the cgroup would meet, as
// far as they show beforehand.
func Problems(spec *specs.Spec, o *Options) []error {
	c, wrong := look(spec, o)
	if c == nil {
		return wrong
	}
	if err := c.checkLeast(c.resources.Memory); err != nil {
		wrong = append(wrong, err)
	}
	wrong = append(wrong, c.outOfRange(c.resources)...)
	if c.saved.Unit != nil || len(wrong) > 0 {
		return wrong
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if err := h.mayMake(); err != nil && !c.tolerates(h, err) {
			wrong = append(wrong, c.applyError(h, err))
		}
	}
	if c.saved.Layout == V2 && c.asked != nil {
		wrong = append(wrong, c.missingOnV2()...)
	}
	return wrong
}

// nearest is the cgroup itself if it is there, else the nearest one above it.
func (h *Hierarchy) nearest() string {
	p := h.Path
	for p != "/" && unix.Access(h.Mount+p, unix.F_OK) != nil {
		p = parent(p)
	}
	return h.Mount + strings.TrimSuffix(p, "/")
}

// mayMake tells whether the caller may make the cgroup, and the processes join it.
func (h *Hierarchy) mayMake() error {
	dir := h.nearest()
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("make a cgroup in %s: %w", dir, err)
	}
	return nil
}

// controllerV2 is the v2 controller that does what a v1 controller did.
func controllerV2(v1 string) string {
	if v1 == "blkio" {
		return "io"
	}
	return v1
}

// missingOnV2 finds the limits whose controller the cgroups above do not have.
func (c *Cgroup) missingOnV2() (missing []error) {
	dir := c.main().nearest()
	have, err := readFile(dir + "/cgroup.controllers")
	if err != nil {
		return nil
	}
	for _, u := range controllersOf(c.asked) {
		if name := controllerV2(u.controller); !slices.Contains(strings.Fields(have), name) {
			missing = append(missing, noController(resourcesField+u.field, name, fmt.Errorf("cannot set %s: cgroup controller %s is not in %s/cgroup.controllers", u.field, name, dir)))
		}
	}
	return missing
}

func noController(field, controller string, err error) error {
	return fault.Hint(fault.New(fault.Controller, field, err),
		"the cgroup controller "+controller+" is not available here: it has to be enabled in cgroup.subtree_control above, or delegated to you (systemd: Delegate=yes)")
}

// limitField is the first limit that needs a controller of the hierarchy, or any if none does.
func (c *Cgroup) limitField(h *Hierarchy) string {
	if c.asked == nil {
		return pathField
	}
	uses := controllersOf(c.asked)
	for _, u := range uses {
		if h.has(u.controller) {
			return resourcesField + u.field
		}
	}
	if len(uses) > 0 {
		return resourcesField + uses[0].field
	}
	return pathField
}
