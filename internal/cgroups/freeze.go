package cgroups

import (
	"errors"
	"strings"

	lib "github.com/opencontainers/cgroups"

	"mydocker/internal/fault"
)

var errNoFreezer = errors.New("cgroup controller freezer is not mounted")

// Freeze stops all processes of the cgroup, and returns once they are stopped.
func (c *Cgroup) Freeze() error {
	if c.hierarchy("freezer") == nil {
		return fault.New(fault.Unsupported, "", errNoFreezer)
	}
	m, err := c.library()
	if err == nil {
		err = m.Freeze(lib.Frozen)
	}
	if err != nil {
		return fault.New(fault.Cgroup, "", err)
	}
	return nil
}

// Thaw lets them go on. Of a cgroup that is gone, as that of a unit whose last process has been killed, there are none.
func (c *Cgroup) Thaw() error {
	h := c.hierarchy("freezer")
	if h == nil {
		return fault.New(fault.Unsupported, "", errNoFreezer)
	}
	name, value := "/freezer.state", "THAWED"
	if c.saved.Layout == V2 {
		name, value = "/cgroup.freeze", "0"
	}
	if err := writeFile(h.dir()+name, value); err != nil && !removed(err) {
		return fault.New(fault.Cgroup, "", err)
	}
	return nil
}

// Frozen tells whether the cgroup has been frozen; one that is not there is not.
func (c *Cgroup) Frozen() (bool, error) {
	h := c.hierarchy("freezer")
	if h == nil {
		return false, nil
	}
	name := "/freezer.self_freezing"
	if c.saved.Layout == V2 {
		name = "/cgroup.freeze"
	}
	now, err := readFile(h.dir() + name)
	if removed(err) {
		return false, nil
	}
	if err != nil {
		return false, fault.New(fault.Cgroup, "", err)
	}
	return now == "1", nil
}

// Frozen is the method of that name for who asks nothing else; of no cgroup, or one of another layout, it is false.
func Frozen(s *Saved) (bool, error) {
	if s == nil || s.Layout != Mode() {
		return false, nil
	}
	return (&Cgroup{saved: *s}).Frozen()
}

// Leave takes a process out to the caller's own cgroup where it may be frozen: on v1 it would not even be killed.
func (c *Cgroup) Leave(pid int) {
	h := c.hierarchy("freezer")
	if h == nil || c.saved.Layout == V2 {
		return
	}
	if own, err := h.ownPath(); err == nil {
		_ = joinDirectory(h.Mount+strings.TrimSuffix(own, "/"), pid)
	}
}

// frozenAbove tells whether the cgroup or one above it is frozen.
func (c *Cgroup) frozenAbove() (bool, error) {
	h := c.hierarchy("freezer")
	if h == nil {
		return false, nil
	}
	if c.saved.Layout == V1 {
		now, err := readFile(h.dir() + "/freezer.state")
		return err == nil && now != "THAWED", err
	}
	for p := h.Path; p != "/"; p = parent(p) {
		now, err := readFile(h.Mount + strings.TrimSuffix(p, "/") + "/cgroup.freeze")
		if err == nil && now == "1" {
			return true, nil
		}
	}
	return false, nil
}
