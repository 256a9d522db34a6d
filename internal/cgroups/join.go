package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/spawn"
)

// smallMemory is the memory limit below which init, a Go program, must not be charged to the container: what it
// uses until it executes the container's program could be more than the program is given.
const smallMemory = 64 << 20

// Dir returns the directory of the v2 cgroup, for init to be started in (clone(2), CLONE_INTO_CGROUP), nil where
// that cannot be: on v1, with systemd, and if there is no cgroup.
func (c *Cgroup) Dir() (*os.File, error) {
	if c.saved.Layout != V2 || c.saved.Unit != nil || len(c.saved.Hierarchies) == 0 {
		return nil, nil
	}
	f, err := openDirectory(c.saved.Hierarchies[0].dir())
	if err != nil {
		return nil, err
	}
	c.entered = true
	return f, nil
}

func openDirectory(dir string) (*os.File, error) {
	fd, err := open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// Join puts init into the cgroup, before it makes namespaces. The v1 memory controller waits for JoinLate, so that
// init's own memory is not charged to the container; but if the container gets a cgroup namespace, whose root is
// where init is at that time, the memory controller has to be joined now, and a small limit needs Outside.
func (c *Cgroup) Join(pid int) error {
	c.saved.Init = pid
	if c.saved.Unit != nil {
		if err := c.startUnit(pid); err != nil {
			return err
		}
		return c.hold()
	}
	if c.entered {
		return nil
	}
	kept := c.saved.Hierarchies[:0]
	for _, h := range c.saved.Hierarchies {
		if c.late(&h) {
			kept = append(kept, h)
			continue
		}
		err := joinDirectory(h.dir(), pid)
		if err != nil && c.tolerates(&h, err) {
			if h.fresh {
				_ = unix.Rmdir(h.dir())
			}
			continue
		}
		if err != nil {
			return c.applyError(&h, err)
		}
		kept = append(kept, h)
	}
	c.saved.Hierarchies = kept
	return nil
}

// late tells whether a hierarchy is joined by JoinLate only.
func (c *Cgroup) late(h *Hierarchy) bool { return h.has("memory") && !c.private }

// JoinLate puts init where its memory is charged, once init has made all its memory.
func (c *Cgroup) JoinLate(pid int) error {
	if len(c.saved.Hierarchies) > 0 && c.memoryLater() {
		if err := c.setMemory(); err != nil {
			return err
		}
	}
	if c.saved.Unit != nil && !c.left {
		return nil
	}
	defer c.holder.Release()
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if !c.late(h) && !c.returns(h) {
			continue
		}
		if err := joinDirectory(h.dir(), pid); err != nil {
			return c.applyError(h, err)
		}
	}
	return nil
}

// hold keeps the unit's cgroup from being empty while init waits outside: systemd would remove it.
func (c *Cgroup) hold() (err error) {
	if !c.left {
		return nil
	}
	if c.holder, err = spawn.Hold(); err != nil {
		return err
	}
	if err := joinDirectory(c.main().dir(), c.holder.Pid); err != nil {
		c.holder.Release()
		return c.applyError(c.main(), err)
	}
	return nil
}

// Outside returns the cgroup.procs file to which the child has to write "0" once it has made its cgroup namespace
// and before it executes init, nil if it need not. It takes init out to the caller's own cgroup, until JoinLate
// brings it back: the memory that init uses is then not charged to a container with a small limit, and still the
// root of the cgroup namespace is the container's cgroup. The kernel checks the permission of who opened the file.
func (c *Cgroup) Outside() (*os.File, error) {
	name := c.outside()
	if name == "" {
		return nil, nil
	}
	fd, err := open(name, unix.O_WRONLY)
	if err != nil {
		return nil, nil //nolint:nilerr // the same where the caller may not write to it
	}
	c.left = true
	return os.NewFile(uintptr(fd), name), nil
}

// mayMove tells whether the caller may move processes between its own cgroup and the container's: on v2 it takes the
// right to write to cgroup.procs of what is above both (cgroups(7), "Cgroup delegation").
func mayMove(h *Hierarchy, own string) bool {
	if len(h.Controllers) > 0 || os.Geteuid() == 0 {
		return true
	}
	above := h.Path
	for above != "/" && !strings.HasPrefix(own+"/", strings.TrimSuffix(above, "/")+"/") {
		above = parent(above)
	}
	return unix.Access(h.Mount+strings.TrimSuffix(above, "/")+"/cgroup.procs", unix.W_OK) == nil
}

// outside is the path of that file, "" without.
func (c *Cgroup) outside() string {
	h := c.hierarchy("memory")
	if h == nil || c.resources.Memory <= 0 || c.resources.Memory >= smallMemory {
		return ""
	}
	if c.saved.Layout == V1 && (c.late(h) || c.saved.Unit != nil) {
		return ""
	}
	own, err := h.ownPath()
	if err != nil || !mayMove(h, own) {
		return "" // without a cgroup to go back to, init stays in the container's
	}
	return h.Mount + strings.TrimSuffix(own, "/") + "/cgroup.procs"
}

// returns tells whether init is brought back to a hierarchy by JoinLate.
func (c *Cgroup) returns(h *Hierarchy) bool {
	return c.left && (c.saved.Layout == V2 || h.has("memory"))
}

// joinDirectory moves a process into a cgroup.
func joinDirectory(dir string, pid int) error {
	name := dir + "/cgroup.procs"
	fd, err := open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for try := 0; ; try++ {
		err := write(fd, name, strconv.Itoa(pid))
		// A process that has only just been made is refused for a moment where real-time scheduling has cgroups.
		if !errors.Is(err, unix.EINVAL) || try == 5 {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
