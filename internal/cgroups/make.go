package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups/fs2"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

var (
	errNotEmpty = errors.New("container's cgroup is not empty")
	errFrozen   = errors.New("container's cgroup unexpectedly frozen")
	errRootless = errors.New("rootless needs no limits + no cgrouppath when no permission is granted for cgroups")
)

// Make makes the directories. One that is there already is used if it has no processes and is not frozen (config-
// linux.md, "Control groups"). A systemd unit is made by Join: there are no scopes without a process.
func (c *Cgroup) Make() error {
	if c.saved.Unit != nil {
		return c.fit()
	}
	kept := c.saved.Hierarchies[:0]
	for _, h := range c.saved.Hierarchies {
		err := c.makeIn(&h)
		if err != nil && c.tolerates(&h, err) {
			continue
		}
		if err != nil {
			c.undo(kept)
			return c.applyError(&h, err)
		}
		kept = append(kept, h)
	}
	c.saved.Hierarchies = kept
	if err := c.fit(); err != nil {
		c.undo(kept)
		return err
	}
	return nil
}

// undo removes what a failed Make has made.
func (c *Cgroup) undo(made []Hierarchy) {
	for i := range made {
		if made[i].fresh {
			made[i].discard()
		}
	}
}

// discard removes an empty cgroup, and those above it that were made with it.
func (h *Hierarchy) discard() {
	if unix.Rmdir(h.dir()) == nil {
		h.removeAbove()
	}
}

// Undo removes the cgroups above that were made with this one, once that is gone: nothing is left of a create that has
// failed. Those of a container that there was stay, for others to use, and with the limits that somebody has given them.
func (c *Cgroup) Undo() {
	for i := range c.saved.Hierarchies {
		c.saved.Hierarchies[i].removeAbove()
	}
}

func (h *Hierarchy) removeAbove() {
	for p, n := parent(h.Path), h.madeAbove; n > 0 && p != "/"; p, n = parent(p), n-1 {
		if err := unix.Rmdir(h.Mount + p); err != nil {
			return
		}
	}
}

func parent(p string) string { return path.Dir(p) }

func (c *Cgroup) makeIn(h *Hierarchy) error {
	made, err := makeDirectory(h.Mount, h.Path)
	if err != nil {
		return err
	}
	h.fresh, h.madeAbove = made > 0, max(made-1, 0)
	switch {
	case c.saved.Layout == V2:
		err = c.enableControllers(h)
	case h.has("cpuset"):
		err = c.fillCpuset(h)
	}
	if err != nil && h.fresh {
		h.discard()
	}
	return err
}

// makeDirectory makes the directory and those above it, and says how many that were: 0 if it was there.
func makeDirectory(mount, p string) (made int, err error) {
	switch err := unix.Mkdir(mount+p, 0o755); err {
	case nil:
		return 1, nil
	case unix.EEXIST:
		return 0, nil
	case unix.ENOENT:
		if above := parent(p); above != "/" {
			// Another container's end may remove what was made just now: then it is made again.
			n, err := makeDirectory(mount, above)
			if err != nil {
				return 0, err
			}
			made, err := makeDirectory(mount, p)
			if made > 0 {
				made += n
			}
			return made, err
		}
		fallthrough
	default:
		return 0, &os.PathError{Op: "mkdir", Path: mount + p, Err: err}
	}
}

// fillCpuset gives a v1 cpuset the CPUs and memory nodes that are asked for, else its parent's: no process can join
// one that has none.
func (c *Cgroup) fillCpuset(h *Hierarchy) error {
	for name, asked := range map[string]string{"cpuset.cpus": c.resources.CpusetCpus, "cpuset.mems": c.resources.CpusetMems} {
		if asked == "" {
			if err := inherit(h.Mount, h.Path, name, h.fresh); err != nil {
				return err
			}
			continue
		}
		if _, err := inherited(h.Mount, parent(h.Path), name); err != nil {
			return err
		}
		if err := writeFile(h.dir()+"/"+name, asked); err != nil {
			return c.refused(c.resources, fieldOf(name), err)
		}
	}
	return nil
}

// inherit gives a file of a cpuset its parent's content if it is empty.
func inherit(mount, p, name string, empty bool) error {
	file := mount + p + "/" + name
	if !empty {
		if now, err := readFile(file); err != nil || now != "" {
			return err
		}
	}
	from, err := inherited(mount, parent(p), name)
	if err != nil {
		return err
	}
	return writeFile(file, from)
}

// inherited reads a file of a cpuset; one that is empty is filled first.
func inherited(mount, p, name string) (string, error) {
	file := mount + strings.TrimSuffix(p, "/") + "/" + name
	now, err := readFile(file)
	if err != nil || now != "" || p == "/" {
		return now, err
	}
	if err := inherit(mount, p, name, true); err != nil {
		return "", err
	}
	return readFile(file)
}

// enableControllers makes every controller of the v2 tree's root available in the container's cgroup. Most of the
// time the cgroups above have them enabled already; the library's way, which tries at every level and knows what to
// do in threaded subtrees, is for the rest.
func (c *Cgroup) enableControllers(h *Hierarchy) error {
	want, err := readFile(h.Mount + "/cgroup.controllers")
	if err != nil {
		return err
	}
	have, err := readFile(h.dir() + "/cgroup.controllers")
	if err != nil {
		return err
	}
	if have != want {
		if err := fs2.CreateCgroupPath(h.dir(), c.libConfig()); err != nil {
			return err
		}
	}
	if c.owner != nil {
		return chownDelegated(h.dir(), *c.owner)
	}
	return nil
}

// fit tells whether an existing cgroup is fit for a new container.
func (c *Cgroup) fit() error {
	existing, deep := false, false
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		existing = existing || !h.fresh
		deep = deep || strings.LastIndexByte(h.Path, '/') > 0
	}
	if existing {
		if pids, err := c.Pids(); err == nil && len(pids) > 0 {
			return fault.Hint(fault.New(fault.Cgroup, pathField, fmt.Errorf("%w: %d process(es) found", errNotEmpty, len(pids))),
				"give each container a cgroupsPath of its own")
		}
	}
	// A new cgroup right below the root cannot be frozen: the root cannot.
	if existing || deep {
		if frozen, err := c.frozenAbove(); err == nil && frozen {
			return fault.Hint(fault.New(fault.Cgroup, pathField, errFrozen), "thaw it, or one above it, first")
		}
	}
	return nil
}

// tolerates tells whether a hierarchy may be done without.
func (c *Cgroup) tolerates(h *Hierarchy, err error) bool {
	if h.optional() && c.saved.Layout == V1 {
		return true
	}
	return lacksPermission(err) && c.saved.Rootless && !c.given && !c.limited
}

func lacksPermission(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}

// applyError words the error of a cgroup that could not be made or entered.
func (c *Cgroup) applyError(h *Hierarchy, err error) error {
	field := pathField
	if f := fault.Of(err); f.Field != "" {
		field = f.Field
	}
	if lacksPermission(err) && c.saved.Rootless && !c.given {
		if c.saved.Layout == V1 {
			err = fmt.Errorf("cannot set %s limit: container could not join or create cgroup: %w", strings.Join(h.Controllers, ","), err)
		}
		hint := "leave the limits out, or have a cgroup delegated to you"
		if c.saved.Layout == V2 {
			hint += " (systemd: Delegate=yes, and --systemd-cgroup)"
		}
		if field == pathField {
			field = c.limitField(h)
		}
		return fault.Hint(fault.New(fault.Delegation, field, fmt.Errorf("%w: %w", errRootless, err)),
			hint+": user "+strconv.Itoa(os.Geteuid())+" would have to own "+h.nearest())
	}
	return fault.New(fault.Cgroup, field, fmt.Errorf("unable to apply cgroup configuration: %w", err))
}
