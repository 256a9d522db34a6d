package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// ExecJoin puts a further process of the container into its cgroup, or into those below that sub names, each as
// "path" for all hierarchies, or "controller[,controller]:path".
func (c *Cgroup) ExecJoin(pid int, sub []string) error {
	paths, err := c.subPaths(sub)
	if err != nil {
		return err
	}
	if c.byUnit() {
		if c.saved.Layout == V2 && c.execLate(c.main()) {
			return nil
		}
		return c.attach(pid, paths[c.main().key()])
	}
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if c.saved.Layout == V2 || c.execLate(h) {
			continue // ExecDir has it started there, or ExecJoinLate brings it
		}
		if err := c.execJoin(h, pid, paths); err != nil {
			return err
		}
	}
	return nil
}

// ExecJoinLate puts a further process where its memory is charged and its tasks are counted, once its init has made all of
// both.
func (c *Cgroup) ExecJoinLate(pid int, sub []string) error {
	if c.byUnit() && c.saved.Layout == V1 {
		return nil
	}
	paths, err := c.subPaths(sub)
	if err != nil {
		return err
	}
	if c.byUnit() {
		if c.execLate(c.main()) {
			return c.attach(pid, paths[c.main().key()])
		}
		return nil
	}
	for i := range c.saved.Hierarchies {
		if h := &c.saved.Hierarchies[i]; c.execLate(h) {
			if err := c.execJoin(h, pid, paths); err != nil {
				return err
			}
		}
	}
	return nil
}

// byUnit tells whether it is systemd that has to move processes: the caller may lack the right to.
func (c *Cgroup) byUnit() bool {
	return c.saved.Unit != nil && (c.saved.Unit.User || c.saved.Layout == V1)
}

// execLate tells whether ExecJoinLate is to join a hierarchy: on v1 those of memory and of pids, whose limit is not asked
// when a process comes from elsewhere, on v2 the cgroup whose limits are too small for an init. It answers as it first did.
func (c *Cgroup) execLate(h *Hierarchy) bool {
	if c.saved.Layout == V1 {
		return h.has("memory") || h.has("pids")
	}
	if c.execIsLate == nil {
		late := c.tight()
		c.execIsLate = &late
	}
	return *c.execIsLate
}

// initTasks is more than init, a Go program, ever has of processes and threads.
const initTasks = 16

func (c *Cgroup) tight() bool {
	if limit := c.number("memory", "memory.max"); limit > 0 && limit < smallMemory {
		return true
	}
	limit := c.number("pids", "pids.max")
	return limit > 0 && c.number("pids", "pids.current")+initTasks > limit
}

func (c *Cgroup) execJoin(h *Hierarchy, pid int, paths map[string]string) error {
	dir := h.dir() + paths[h.key()]
	if c.saved.Layout == V2 && len(paths) == 0 {
		dir = c.startDir()
	}
	if err := joinDirectory(dir, pid); err != nil && (c.saved.Layout == V2 || !h.optional()) {
		return fault.New(fault.Cgroup, "", fmt.Errorf("adding pid %d to cgroups: %w", pid, err))
	}
	return nil
}

// startDir returns the v2 cgroup for a further process: the container's, or init's if no process may be in that, or it is
// gone since init has left it.
func (c *Cgroup) startDir() string {
	dir := c.main().dir()
	if closed(dir) {
		if own, err := c.initDir(); err == nil {
			return own
		}
	}
	return dir
}

// ExecDir returns the directory in which a further process is to be started, nil where ExecJoin does it all. On v2
// that is the container's cgroup, or the one that sub names. If the container has moved its processes into cgroups
// below and shared controllers out to them, as an init system does, none may be in the container's cgroup itself any
// more (cgroups(7), "no internal processes"): then it is where init is now.
func (c *Cgroup) ExecDir(sub []string) (*os.File, error) {
	if c.saved.Layout != V2 || c.saved.Unit != nil && c.saved.Unit.User {
		return nil, nil
	}
	paths, err := c.subPaths(sub)
	if err != nil {
		return nil, err
	}
	h := c.main()
	if c.execLate(h) {
		return nil, nil
	}
	dir := h.dir() + paths[h.key()]
	if len(sub) == 0 {
		dir = c.startDir()
	}
	f, err := openDirectory(dir)
	if err != nil {
		return nil, fault.New(fault.Cgroup, "", fmt.Errorf("adding pid of the process to cgroups: %w", err))
	}
	return f, nil
}

// closed tells whether a v2 cgroup cannot take processes: it hands controllers on, or is gone.
func closed(dir string) bool {
	enabled, err := readFile(dir + "/cgroup.subtree_control")
	return enabled != "" || errors.Is(err, unix.ENOENT)
}

// initDir returns the v2 cgroup that init is in.
func (c *Cgroup) initDir() (string, error) {
	if c.saved.Init == 0 {
		return "", errors.New("init is not known")
	}
	text, err := readFile("/proc/" + strconv.Itoa(c.saved.Init) + "/cgroup")
	if err != nil {
		return "", err
	}
	for _, h := range parseOwn(text) {
		if len(h.Controllers) > 0 {
			continue
		}
		h.Mount = c.main().Mount
		own, err := h.ownPath()
		if err != nil {
			return "", err
		}
		return h.Mount + own, nil
	}
	return "", errors.New("init has no v2 cgroup")
}

// key names a hierarchy among others.
func (h *Hierarchy) key() string { return strings.Join(h.Controllers, ",") }

// subPaths reads the values of `exec --cgroup`: the path below the container's cgroup by hierarchy.
func (c *Cgroup) subPaths(sub []string) (map[string]string, error) {
	paths := make(map[string]string, len(sub))
	for _, s := range sub {
		names, p, named := strings.Cut(s, ":")
		if !named {
			names, p = "", s
		}
		p, err := cleanSub(p)
		if err != nil {
			return nil, err
		}
		if !named {
			if len(sub) > 1 {
				return nil, fault.New(fault.Usage, "", fmt.Errorf("invalid --cgroup argument %s: with several, each names its controller", s))
			}
			for i := range c.saved.Hierarchies {
				paths[c.saved.Hierarchies[i].key()] = p
			}
			continue
		}
		for name := range strings.SplitSeq(names, ",") {
			h := c.named(name)
			if h == nil {
				return nil, fault.New(fault.Usage, "", fmt.Errorf("unknown controller %s", name))
			}
			if other, ok := paths[h.key()]; ok && other != p {
				return nil, fault.New(fault.Usage, "", fmt.Errorf("invalid --cgroup argument %s: duplicate controller %s", s, name))
			}
			paths[h.key()] = p
		}
	}
	return paths, nil
}

// named returns the hierarchy of a controller as a user names it.
func (c *Cgroup) named(controller string) *Hierarchy {
	i := slices.IndexFunc(c.saved.Hierarchies, func(h Hierarchy) bool {
		return h.has(controller) || h.has("name="+controller) || controller == "" && len(h.Controllers) == 0
	})
	if i < 0 {
		return nil
	}
	return &c.saved.Hierarchies[i]
}

// cleanSub makes a path below the container's cgroup: "" or one that begins with /.
func cleanSub(p string) (string, error) {
	clean := path.Clean("/" + p)
	if slices.Contains(strings.Split(p, "/"), "..") || strings.ContainsAny(p, "\x00\n") {
		return "", fault.New(fault.Usage, "", fmt.Errorf("bad sub cgroup path: %s", p))
	}
	if clean == "/" {
		return "", nil
	}
	return clean, nil
}

// attach has systemd move a process into the unit, or into a cgroup below the unit's.
func (c *Cgroup) attach(pid int, sub string) error {
	m, err := c.library()
	if err != nil {
		return err
	}
	err = c.answered("add a process to", func() error { return m.AddPid(sub, pid) })
	if err == nil || errors.Is(err, unix.ESRCH) {
		return err
	}
	return fault.New(fault.Cgroup, "", fmt.Errorf("adding pid %d to cgroups: %w", pid, err))
}
