package libinit

import (
	"errors"
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/rawfile"
)

// cgroupRoot is where the cgroup hierarchies are on every host.
const cgroupRoot = "/sys/fs/cgroup"

// CgroupTree mounts the cgroup v2 tree.
type CgroupTree struct {
	Source, Target string
	Options        []string
	Attr           uint64
	Data           []string
	Propagation    []uint64
	Private        bool   // the container has a cgroup namespace
	Host           string // where the tree is on the host
	Own            string // the container's cgroup in it
}

// CgroupHierarchies mounts the cgroup v1 hierarchies in a tmpfs, each at its name, with the container's own cgroup as root.
type CgroupHierarchies struct {
	Source, Target string
	Options        []string
	Attr           uint64
	Propagation    []uint64
	Private        bool
	Paths          map[string]string // as Options.CgroupPaths
	Label          string
}

// newCgroup makes the step of a mount of type cgroup or cgroup2. On a v2 host both are the v2 tree.
func (p *planner) newCgroup(i int, o *mountOptions, dest string) (Step, error) {
	m := &p.spec.Mounts[i]
	tree := p.opts.Cgroup == CgroupV2 || m.Type == "cgroup2"
	if o.super != 0 || len(o.data) > 0 && !tree {
		return nil, badMount(i, "options", "a cgroup mount takes only options of the mount itself, as ro and nosuid")
	}
	private := p.hasNamespace(specs.CgroupNamespace)
	attr := o.set | o.recSet
	if !tree {
		return &CgroupHierarchies{
			Source: m.Source, Target: dest, Options: m.Options, Attr: attr, Propagation: o.propagation,
			Private: private, Paths: p.opts.CgroupPaths, Label: p.mountLabel(),
		}, nil
	}
	s := &CgroupTree{
		Source: m.Source, Target: dest, Options: m.Options, Attr: attr, Data: splitData(o.data), Propagation: o.propagation,
		Private: private, Host: cgroupRoot, Own: p.opts.CgroupPaths[""],
	}
	if p.opts.Cgroup != CgroupV2 {
		s.Host = cgroupRoot + "/unified"
	}
	return s, nil
}

func (s *CgroupTree) String() string { return describe("mount cgroup2", s.Target, s.Options) }

// Do mounts it.
func (s *CgroupTree) Do(e *Env) error {
	return mountError(s.Source, s.Target, s.do(e))
}

func (s *CgroupTree) do(e *Env) error {
	at, _, err := target{path: s.Target}.open(int(e.Root.Fd()))
	if err != nil {
		return err
	}
	defer closeFd(at)
	if err := refuseProc(at, "cgroup2"); err != nil {
		return err
	}
	fd, err := s.make()
	if err != nil {
		return err
	}
	return e.place(fd, at, s.Target, s.Propagation, useNone)
}

// make makes a new mount in a cgroup namespace of the container's own, where it shows the own cgroup as root, else
// a bind of the host's: a new mount in the host's cgroup namespace would reset the options of the host's tree
// (nsdelegate, memory_recursiveprot), which all mounts share.
func (s *CgroupTree) make() (int, error) {
	if !s.Private {
		return s.bind("")
	}
	c := openFilesystem("cgroup2")
	defer c.close()
	if s.Source != "" {
		c.str("source", s.Source)
	}
	for _, option := range s.Data {
		c.option(option)
	}
	fd, err := c.mount(s.Attr)
	if n := errno(err); n == unix.EPERM || n == unix.EBUSY {
		return s.bind(s.Own)
	}
	return fd, err
}

func (s *CgroupTree) bind(own string) (int, error) {
	path := s.Host + "/" + strings.TrimPrefix(own, "/")
	fd, err := cloneTree(unix.AT_FDCWD, path, true)
	if err != nil {
		return -1, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	if magic, err := filesystem(fd); err != nil || magic != unix.CGROUP2_SUPER_MAGIC {
		closeFd(fd)
		return -1, fmt.Errorf("bind %s: not a cgroup2 filesystem", path)
	}
	if err := setAttr(fd, true, withAttr(s.Attr)); err != nil {
		closeFd(fd)
		return -1, fmt.Errorf("mount_setattr: %w", err)
	}
	return fd, nil
}

func (s *CgroupHierarchies) String() string {
	return describe("mount cgroup hierarchies", s.Target, s.Options)
}

// Do mounts them.
func (s *CgroupHierarchies) Do(e *Env) error {
	return mountError(s.Source, s.Target, s.do(e))
}

func (s *CgroupHierarchies) do(e *Env) error {
	all, err := ownCgroups()
	if err != nil {
		return err
	}
	at, _, err := target{path: s.Target}.open(int(e.Root.Fd()))
	if err != nil {
		return err
	}
	defer closeFd(at)
	if err := refuseProc(at, "cgroup"); err != nil {
		return err
	}
	dir, err := s.directory()
	if err != nil {
		return err
	}
	if err := attach(dir, at); err != nil {
		closeFd(dir)
		return os.NewSyscallError("move_mount", err)
	}
	// Nobody but init can see the tmpfs yet: the names in it are its own.
	for i := range all {
		if err := s.hierarchy(dir, &all[i]); err != nil {
			closeFd(dir)
			return fmt.Errorf("cgroup %s: %w", strings.Join(all[i].names, ","), err)
		}
	}
	if err := setAttr(dir, true, withAttr(s.Attr)); err != nil {
		closeFd(dir)
		return fmt.Errorf("mount_setattr: %w", err)
	}
	return e.finish(dir, s.Target, s.Propagation, useNone)
}

// directory makes the tmpfs that holds the hierarchies.
func (s *CgroupHierarchies) directory() (int, error) {
	c := openFilesystem("tmpfs")
	defer c.close()
	c.str("source", "tmpfs")
	c.option("mode=755")
	if s.Label != "" {
		c.str("context", s.Label)
	}
	return c.mount(0)
}

// hierarchy mounts one hierarchy in dir. Controllers that share one get links to it.
func (s *CgroupHierarchies) hierarchy(dir int, h *hierarchy) error {
	fd, err := s.make(h)
	if err == errNotMounted {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFd(fd)
	name := h.directory()
	if err := unix.Mkdirat(dir, name, 0o755); err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", dir, name, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return os.NewSyscallError("move_mount", err)
	}
	if len(h.names) < 2 {
		return nil
	}
	for _, controller := range h.names {
		if err := unix.Symlinkat(name, dir, controller); err != nil {
			return err
		}
	}
	return nil
}

// errNotMounted is what make gives for a hierarchy that cannot be shown, since the host does not mount it.
var errNotMounted = errors.New("hierarchy is not mounted on the host")

func (s *CgroupHierarchies) make(h *hierarchy) (int, error) {
	if s.Private {
		c := openFilesystem("cgroup")
		defer c.close()
		c.str("source", "cgroup")
		for _, name := range h.names {
			c.option(name)
		}
		fd, err := c.mount(0)
		if n := errno(err); n != unix.EPERM && n != unix.EBUSY {
			return fd, err
		}
	}
	own, ok := s.Paths[h.names[0]]
	switch {
	case !ok && s.Private:
		return -1, errNotMounted // in the own namespace /proc/self/cgroup does not tell the path
	case !ok:
		own = h.path
	}
	top := cgroupRoot + "/" + h.directory()
	path := top + "/" + strings.TrimPrefix(own, "/")
	fd, err := cloneTree(unix.AT_FDCWD, path, false)
	if err == unix.ENOENT && !s.Private && own != h.path {
		// A user who may not make cgroups has none made: the container is in the caller's.
		path = top + "/" + strings.TrimPrefix(h.path, "/")
		fd, err = cloneTree(unix.AT_FDCWD, path, false)
	}
	if err == unix.ENOENT && (s.Private || unix.Access(top, unix.F_OK) == unix.ENOENT) {
		return -1, errNotMounted
	}
	if err != nil {
		return -1, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	return fd, nil
}

// hierarchy is one cgroup v1 hierarchy, with init's own cgroup in it.
type hierarchy struct {
	names []string // controllers, or name=systemd
	path  string
}

// directory is the name under which the hierarchy is mounted everywhere.
func (h *hierarchy) directory() string {
	return strings.TrimPrefix(strings.Join(h.names, ","), "name=")
}

// ownCgroups reads init's cgroups in the v1 hierarchies.
func ownCgroups() ([]hierarchy, error) {
	b, err := rawfile.Read("/proc/self/cgroup")
	return parseCgroups(string(b)), err
}

// parseCgroups reads /proc/PID/cgroup, cgroups(7). The v2 tree, which has no controllers there, is left out.
func parseCgroups(text string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(text) {
		_, line, _ = strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, ok := strings.Cut(line, ":")
		if ok && names != "" {
			all = append(all, hierarchy{strings.Split(names, ","), path})
		}
	}
	return all
}
