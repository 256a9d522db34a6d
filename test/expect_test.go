package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"mydocker/internal/spawn"
	"mydocker/libinit"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// expectation is what a plan lets strace see.
type expectation struct {
	t *testing.T
	seen
	rootfs  string
	ordered map[string]bool // maps of IDs for which there is a user namespace
	private bool            // init has a procfs of its own
	late    int             // mounts that become read-only at the end
}

// expect says what the system calls of a plan are, step by step.
func expect(t *testing.T, d *explained) *expectation {
	t.Helper()
	e := &expectation{t: t, rootfs: d.Rootfs, ordered: map[string]bool{}}
	for i := range d.Steps {
		s := &d.Steps[i]
		switch s.Who {
		case "init":
			e.step(s)
		default:
			e.raw(s.Text)
		}
	}
	return e
}

func (e *expectation) add(format string, a ...any) {
	e.init = append(e.init, fmt.Sprintf(format, a...))
}

// raw is for the steps that are no plan of init's: the child's are named as its array of system calls is.
func (e *expectation) raw(text string) {
	verb, rest, _ := strings.Cut(text, " ")
	rest, _, _ = strings.Cut(rest, " into cgroup")
	switch {
	case text == "clone again":
		e.add("clone again")
	case verb == "clone":
		e.add("clone %#x", namespaceFlags(rest))
	case verb == "unshare":
		e.add("unshare %#x", namespaceFlags(rest))
	case verb == "setns":
		kind, _, _ := strings.Cut(rest, " ")
		e.add("setns %#x", namespaceFlags(kind))
	case text == "drop groups":
		e.add("setgroups 0")
	case text == "become group 0":
		e.add("setresgid 0 0 0")
	case text == "become user 0":
		e.add("setresuid 0 0 0")
	case text == "execute mydocker-init":
		e.add(`execveat ["mydocker-init", "0", "true"]`)
	case verb == "run":
		kind, _, _ := strings.Cut(rest, " ")
		e.hooks = append(e.hooks, fmt.Sprintf("execve [%q]", kind))
	}
}

// namespaceFlags reads "mount, uts namespaces".
func namespaceFlags(text string) (flags uintptr) {
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		flags |= spawn.FlagOf(specs.LinuxNamespaceType(name))
	}
	return flags
}

func (e *expectation) decode(s *explainedStep, to any) {
	e.t.Helper()
	if err := json.Unmarshal(s.Data, to); err != nil {
		e.t.Fatalf("%s: %v", s.Text, err)
	}
}

// step says what a step of init does.
func (e *expectation) step(s *explainedStep) {
	switch s.Kind {
	case "Root":
		var r libinit.Root
		e.decode(s, &r)
		e.root(&r)
	case "Mount":
		var m libinit.Mount
		e.decode(s, &m)
		e.mount(&m)
	case "Bind":
		var b libinit.Bind
		e.decode(s, &b)
		e.bind(&b)
	case "Remount":
		var r libinit.Remount
		e.decode(s, &r)
		e.add("%s", attrText(false, r.Set, r.Clear, 0))
		e.propagation(r.Propagation)
	case "CgroupHierarchies":
		var c libinit.CgroupHierarchies
		e.decode(s, &c)
		e.hierarchies(&c)
	case "CgroupTree":
		var c libinit.CgroupTree
		e.decode(s, &c)
		e.tree(&c)
	case "Devices":
		var d libinit.Devices
		e.decode(s, &d)
		for i := 0; d.Bind && i < len(d.Nodes); i++ {
			e.add("open_tree %s recursive=false", d.Nodes[i].Path)
			e.add("move_mount %s", d.Nodes[i].Path)
		}
	case "Pivot":
		var p libinit.Pivot
		e.decode(s, &p)
		e.pivot(&p)
	case "ReadonlyMounts":
		var r libinit.ReadonlyMounts
		e.decode(s, &r)
		if r.Root {
			e.late++
		}
		for range e.late {
			e.add("%s", attrText(false, unix.MOUNT_ATTR_RDONLY, 0, 0))
		}
	case "ReadonlyPaths":
		var r libinit.ReadonlyPaths
		e.decode(s, &r)
		for _, path := range r.Paths {
			if _, ok := e.there(path); ok {
				e.add("open_tree %s recursive=true", path)
				e.add("%s", attrText(false, unix.MOUNT_ATTR_RDONLY, 0, 0))
				e.add("move_mount %s", path)
			}
		}
	case "MaskPaths":
		var m libinit.MaskPaths
		e.decode(s, &m)
		e.mask(&m)
	case "Console":
		e.add("open_tree /dev/pts/0 recursive=false")
		e.add("move_mount /dev/console")
	case "Sysctls":
		e.openProc()
	case "Hostname":
		e.add("sethostname %s", strings.TrimPrefix(s.Text, "set hostname "))
	case "Domainname":
		e.add("setdomainname %s", strings.TrimPrefix(s.Text, "set domain name "))
	default:
		e.process(s)
	}
}

// process says it of the steps that are not about mounts.
func (e *expectation) process(s *explainedStep) {
	switch s.Kind {
	case "Bounding":
		var b libinit.Bounding
		e.decode(s, &b)
		last, err := capability.LastCap()
		if err != nil {
			e.t.Fatal(err)
		}
		for n := range int(last) + 1 {
			if b.Set&(1<<n) == 0 {
				e.add("drop %d", n)
			}
		}
	case "User":
		var u libinit.User
		e.decode(s, &u)
		e.add("setgroups %d", len(u.Groups))
		e.add("setresgid %d %d %d", u.GID, u.GID, u.GID)
		e.add("setresuid %d %d %d", u.UID, u.UID, u.UID)
	case "Capabilities":
		var c libinit.Capabilities
		e.decode(s, &c)
		extra := uint64(0)
		if c.Filter {
			extra = 1 << unix.CAP_SYS_ADMIN
		}
		e.add("capset effective=%#x permitted=%#x inheritable=%#x", c.Effective|extra, c.Permitted|extra, c.Inheritable&c.Bounding)
		for n := range 64 {
			if c.Ambient&(1<<n) != 0 {
				e.add("raise %d", n)
			}
		}
	case "NoNewPrivileges":
		e.add("no_new_privs")
	case "Filter":
		e.add("seccomp")
	case "RunHooks":
		var h libinit.RunHooks
		e.decode(s, &h)
		for _, hook := range h.Hooks {
			e.hooks = append(e.hooks, "execve "+list(hook.Args))
		}
	case "Exec":
		var x libinit.Exec
		e.decode(s, &x)
		if x.Filter != nil {
			e.add("seccomp")
		}
		e.add("execve %s", list(x.Args))
	}
}

func list(args []string) string {
	b, _ := json.Marshal(args)
	return string(bytes.ReplaceAll(b, []byte(`","`), []byte(`", "`)))
}

func (e *expectation) root(r *libinit.Root) {
	if !r.Shared {
		e.add("mount  / %#x", unix.MS_SLAVE|unix.MS_REC)
	}
	e.add("open_tree / recursive=true")
	if r.ReadonlyBelow {
		e.add("%s", attrText(true, unix.MOUNT_ATTR_RDONLY, 0, 0))
		e.add("%s", attrText(false, 0, unix.MOUNT_ATTR_RDONLY, 0))
	}
	if r.Private || r.Shared {
		e.add("%s", attrText(false, 0, 0, unix.MS_PRIVATE))
	}
	e.add("move_mount /")
}

func (e *expectation) filesystem(kind, source string, data []string, attr uint64) {
	e.add("fsopen %s", kind)
	if source != "" {
		e.add("fsconfig source=%s", source)
	}
	for _, d := range data {
		e.add("fsconfig %s", d)
	}
	e.add("fsmount %#x", attr)
}

func (e *expectation) propagation(all []uint64) {
	for _, p := range all {
		e.add("%s", attrText(p&unix.MS_REC != 0, 0, 0, p&^unix.MS_REC))
	}
}

func (e *expectation) mount(m *libinit.Mount) {
	if dir, ok := e.there(m.Target); ok && m.KeepMode {
		m.Data = append(m.Data, fmt.Sprintf("mode=%o", dir.Mode().Perm()))
	}
	e.filesystem(m.Type, m.Source, m.Data, m.Attr)
	e.add("move_mount %s", m.Target)
	e.propagation(m.Propagation)
	if m.Late {
		e.late++
	}
}

func (e *expectation) bind(b *libinit.Bind) {
	open := fmt.Sprintf("open_tree %s recursive=%v", b.Source, b.Recursive)
	if b.FromParent {
		e.fromParent(b, open)
	} else {
		e.add("%s", open)
	}
	if b.RecSet|b.RecClear != 0 {
		e.add("%s", attrText(true, b.RecSet, b.RecClear, 0))
	}
	if a := &b.Attributes; a.Set|a.Clear|a.Unnamed != 0 {
		e.add("%s", attrText(false, a.Set, (a.Clear|a.Unnamed)&^e.locked(b), 0))
	}
	e.add("move_mount %s", b.Target)
	e.propagation(b.Propagation)
}

// locked are the flags that the host has set on the source, and a user namespace may not clear.
func (e *expectation) locked(b *libinit.Bind) uint64 {
	var st unix.Statfs_t
	if err := unix.Statfs(b.Source, &st); err != nil {
		e.t.Fatal(err)
	}
	if !b.Attributes.Locked {
		return 0
	}
	return uint64(st.Flags) & (unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC)
}

// fromParent is a source that the runtime opens. The bundles here map all id mapped mounts alike.
func (e *expectation) fromParent(b *libinit.Bind, open string) {
	idmapped := !b.ParentOnDenied
	if idmapped && !e.ordered["idmap"] {
		e.ordered["idmap"] = true
		e.parent = append(e.parent, fmt.Sprintf("clone %#x", unix.CLONE_NEWUSER))
	}
	e.parent = append(e.parent, open, attrText(true, 0, 0, unix.MS_SLAVE))
	if idmapped {
		e.parent = append(e.parent, attrText(false, unix.MOUNT_ATTR_IDMAP, 0, 0))
	}
}

// hierarchies are those of /proc/self/cgroup.
func (e *expectation) hierarchies(c *libinit.CgroupHierarchies) {
	e.filesystem("tmpfs", "tmpfs", []string{"mode=755"}, 0)
	e.add("move_mount %s", c.Target)
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		e.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		names := strings.Split(line, ":")[1]
		if names == "" {
			continue
		}
		dir := strings.TrimPrefix(names, "name=")
		if c.Private {
			e.filesystem("cgroup", "cgroup", strings.Split(names, ","), 0)
		} else {
			e.add("open_tree /sys/fs/cgroup/%s%s recursive=false", dir, c.Paths[strings.Split(names, ",")[0]])
		}
		e.add("move_mount %s/%s", c.Target, dir)
	}
	clear := uint64(0)
	if c.Attr&unix.MOUNT_ATTR__ATIME != 0 {
		clear = unix.MOUNT_ATTR__ATIME
	}
	e.add("%s", attrText(true, c.Attr, clear, 0))
	e.propagation(c.Propagation)
}

func (e *expectation) tree(c *libinit.CgroupTree) {
	if c.Private {
		e.filesystem("cgroup2", c.Source, c.Data, c.Attr)
	} else {
		e.add("open_tree %s/ recursive=true", c.Host)
		e.add("%s", attrText(true, c.Attr, 0, 0))
	}
	e.add("move_mount %s", c.Target)
	e.propagation(c.Propagation)
}

func (e *expectation) pivot(p *libinit.Pivot) {
	if p.NoPivot {
		e.hideFull()
		e.add("move_mount /")
		e.add("chroot")
		return
	}
	e.add("pivot_root")
	e.add("umount .")
}

// hideFull hides the host's procfs and sysfs from a process that leaves a chroot.
func (e *expectation) hideFull() {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		e.t.Fatal(err)
	}
	var full []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		kind := f[slices.Index(f, "-")+1]
		if f[3] == "/" && (kind == "proc" || kind == "sysfs") {
			full = append(full, f[4])
		}
	}
	for _, path := range slices.Backward(full) {
		e.add("mount  %s %#x", path, unix.MS_SLAVE|unix.MS_REC)
		e.add("umount %s", path)
	}
}

// openProc is the procfs that init writes attributes and sysctls through.
func (e *expectation) openProc() {
	if !e.private {
		e.private = true
		e.filesystem("proc", "", nil, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	}
}

// there looks a path of the container up: in a procfs and sysfs the host's files are there, too.
func (e *expectation) there(path string) (os.FileInfo, bool) {
	if !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/sys/") {
		path = filepath.Join(e.rootfs, path)
	}
	st, err := os.Stat(path)
	return st, err == nil
}

func (e *expectation) mask(m *libinit.MaskPaths) {
	first := ""
	for i, path := range m.Paths {
		st, ok := e.there(path)
		switch {
		case !ok || slices.Contains(m.Paths[:i], path):
			continue
		case !st.IsDir():
			e.add("open_tree /dev/null recursive=false")
		case first == "":
			first = path
			attr := unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
			e.filesystem("tmpfs", "", []string{"nr_blocks=1", "nr_inodes=1", "ro"}, uint64(attr))
		default:
			e.add("open_tree %s recursive=false", first)
		}
		e.add("move_mount %s", path)
	}
}
