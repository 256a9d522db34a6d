package cgroups

// Adopt makes init of a process that somebody else has put into the cgroup, and applies the limits.
func (c *Cgroup) Adopt(pid int) error {
	c.saved.Init = pid
	if err := c.Set(); err != nil {
		return err
	}
	if len(c.saved.Hierarchies) > 0 && c.memoryLater() {
		return c.setMemory()
	}
	return nil
}

// Enter puts a process that makes init into all of the cgroup. A systemd unit is made with it.
func (c *Cgroup) Enter(pid int) error {
	if err := c.Join(pid); err != nil {
		return err
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if c.saved.Unit != nil || !c.late(h) {
			continue
		}
		if err := joinDirectory(h.dir(), pid); err != nil {
			return c.applyError(h, err)
		}
	}
	return nil
}

// Freezer is the directory by which the processes are frozen, "" without.
func (c *Cgroup) Freezer() string {
	if h := c.hierarchy("freezer"); h != nil {
		return h.dir()
	}
	return ""
}
