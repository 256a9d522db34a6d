package libinit

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// rootKinds lists the steps of the root filesystem. They have no values, which each start would make anew.
func rootKinds() []Step {
	return []Step{
		(*Root)(nil), (*Mount)(nil), (*Bind)(nil), (*Remount)(nil), (*CgroupHierarchies)(nil), (*CgroupTree)(nil),
		(*Devices)(nil), (*Pivot)(nil), (*ReadonlyMounts)(nil), (*ReadonlyPaths)(nil), (*MaskPaths)(nil),
		(*RootPropagation)(nil),
	}
}

// mounts adds the spec's mounts, in order.
func (p *planner) mounts() error {
	if l := p.spec.Linux; l != nil && l.MountLabel != "" && !p.opts.SELinux {
		p.bad(noSELinux("linux.mountLabel"))
	}
	p.mounted = make(map[string]bool, len(p.spec.Mounts))
	for i := range p.spec.Mounts {
		field := "mounts[" + strconv.Itoa(i) + "]"
		step, err := p.mount(i)
		if err != nil {
			p.bad(fault.At(field, err))
			continue
		}
		p.add(field, step)
		p.mounted[cleanDestination(p.spec.Mounts[i].Destination)] = true
	}
	if p.opts.NotifyDir != "" && p.hasNamespace(specs.MountNamespace) {
		// A socket of a read-only mount can be written to, but not taken away or replaced.
		p.add("", &Bind{
			Index: NotifySource, Source: p.opts.NotifyDir, Target: path.Dir(p.opts.NotifySocket), Options: []string{"ro"},
			Attributes: BindAttributes{Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC},
			FromParent: p.opts.UserNamespace && !p.opts.RootlessCaller,
		})
	}
	return nil
}

func (p *planner) mount(i int) (Step, error) {
	m := &p.spec.Mounts[i]
	if m.Destination == "" {
		return nil, badMount(i, "destination", "destination must not be empty")
	}
	for _, s := range [...]struct{ name, value string }{{"destination", m.Destination}, {"source", m.Source}, {"type", m.Type}} {
		if strings.IndexByte(s.value, 0) >= 0 {
			return nil, badMount(i, s.name, s.name+" has a NUL byte")
		}
	}
	for j, option := range m.Options {
		if strings.IndexByte(option, 0) >= 0 {
			return nil, badMount(i, "options["+strconv.Itoa(j)+"]", "option has a NUL byte")
		}
	}
	o := parseMountOptions(m.Options)
	dest := cleanDestination(m.Destination)
	if err := p.checkProc(i, dest, &o); err != nil {
		return nil, err
	}
	if err := p.checkIDMap(i, &o); err != nil {
		return nil, err
	}
	if o.bind && len(o.data) > 0 {
		return nil, p.strayOption(i, o.data[0])
	}
	switch {
	case o.remount:
		return newRemount(m, &o, dest), nil
	case o.copyUp && m.Type != "tmpfs":
		return nil, badMount(i, "options", "tmpcopyup needs a mount of type tmpfs")
	case o.bind:
		return p.newBind(i, &o, dest), nil
	case m.Type == "cgroup" || m.Type == "cgroup2":
		return p.newCgroup(i, &o, dest)
	case m.Type == "":
		return nil, badMount(i, "type", "type must not be empty for a mount that is not a bind")
	}
	return p.newMount(m, &o, dest), nil
}

// cleanDestination is the path of a mount. One that is written as it should be is used as it is.
func cleanDestination(destination string) string {
	if strings.HasPrefix(destination, "/") {
		return path.Clean(destination)
	}
	return path.Clean("/" + destination)
}

// below tells whether an earlier mount is at dest, or above it.
func (p *planner) below(dest string) bool { return p.covered(dest) || p.mounted["/"] }

// covered leaves out mounts over the root itself.
func (p *planner) covered(dest string) bool {
	for ; dest != "/"; dest = path.Dir(dest) {
		if p.mounted[dest] {
			return true
		}
	}
	return false
}

func badMount(i int, field, text string) error {
	field = "mounts[" + strconv.Itoa(i) + "]." + field
	return fault.New(fault.Config, field, fmt.Errorf("%s: %s", field, text))
}

// strayOption is the error of an option of a filesystem where none is made.
func (p *planner) strayOption(i int, option string) error {
	field := "options[" + strconv.Itoa(slices.Index(p.spec.Mounts[i].Options, option)) + "]"
	return badMount(i, field, strconv.Quote(option)+" is not an option of a bind mount")
}

// procFiles are the files in /proc that may be covered by a bind mount: they only show facts about the machine,
// which lxcfs and its like show for the container. Whoever covers others takes in what trusts /proc
// (CVE-2019-16884, CVE-2019-19921).
var procFiles = [...]string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/net/dev", "/proc/slabinfo",
	"/proc/stat", "/proc/swaps", "/proc/sys/crypto/fips_enabled", "/proc/sys/kernel/ns_last_pid", "/proc/uptime",
}

// checkProc refuses mounts over /proc other than a procfs, and inside it other than a bind on one of procFiles.
func (p *planner) checkProc(i int, dest string, o *mountOptions) error {
	m := &p.spec.Mounts[i]
	var ok bool
	switch {
	case dest == "/proc":
		ok = m.Type == "proc" || o.bind || o.remount
	case strings.HasPrefix(dest, "/proc/"):
		ok = o.remount
		for _, name := range procFiles {
			ok = ok || o.bind && dest == name
		}
	default:
		return nil
	}
	if ok {
		return nil
	}
	kind := m.Type
	if o.bind {
		kind = "bind"
	}
	field := "mounts[" + strconv.Itoa(i) + "].destination"
	return fault.New(fault.Config, field, mountError(m.Source, dest, fmt.Errorf("%w, and %s is inside proc", notOrdinary(kind), dest)))
}

// checkIDMap checks the id mapping of a mount (config.md, "POSIX-platform Mounts").
func (p *planner) checkIDMap(i int, o *mountOptions) error {
	m := &p.spec.Mounts[i]
	own := len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0
	switch {
	case !own && !o.idmap:
		return nil
	case !o.bind:
		return badMount(i, "uidMappings", "id mapped mounts must be bind mounts")
	case own && len(m.UIDMappings) == 0:
		return badMount(i, "uidMappings", "uidMappings and gidMappings must be given together")
	case own && len(m.GIDMappings) == 0:
		return badMount(i, "gidMappings", "uidMappings and gidMappings must be given together")
	case !own && !p.hasUserNamespace():
		return badMount(i, "options", "idmap needs uidMappings and gidMappings, or a user namespace for the container")
	}
	return nil
}

func (p *planner) hasUserNamespace() bool { return p.hasNamespace(specs.UserNamespace) }

// hasNamespace tells whether the container gets, or joins, a namespace other than the runtime's.
func (p *planner) hasNamespace(kind specs.LinuxNamespaceType) bool {
	if p.spec.Linux == nil {
		return false
	}
	for _, ns := range p.spec.Linux.Namespaces {
		if ns.Type == kind {
			return true
		}
	}
	return false
}

// Remount changes the options of a mount that is there.
type Remount struct {
	Target      string
	Options     []string
	Bind        bool // only the mount, not the filesystem
	Set, Clear  uint64
	Super       uint64
	SuperNot    uint64
	Data        []string
	Propagation []uint64
}

func newRemount(m *specs.Mount, o *mountOptions, dest string) *Remount {
	return &Remount{
		Target: dest, Options: m.Options, Bind: o.bind, Set: o.set | o.recSet, Clear: o.clear | o.recClear,
		Super: o.super, SuperNot: o.superNot, Data: splitData(o.data), Propagation: o.propagation,
	}
}

func (r *Remount) String() string { return describe("remount", r.Target, r.Options) }

// Do changes them.
func (r *Remount) Do(e *Env) error {
	return mountError("", r.Target, r.do(e))
}

func (r *Remount) do(e *Env) error {
	at, err := openIn(int(e.Root.Fd()), r.Target, 0)
	if err != nil {
		return err
	}
	defer closeFd(at)
	if root, err := isMountRoot(at); err != nil {
		return err
	} else if !root {
		return fault.Hint(unix.EINVAL, "only a mount can be remounted, and nothing is mounted at "+r.Target)
	}
	if !r.Bind && (r.Super|r.SuperNot != 0 || len(r.Data) > 0) {
		if err := r.filesystem(at); err != nil {
			return err
		}
	}
	if r.Set|r.Clear != 0 {
		if err := setAttr(at, false, unix.MountAttr{Attr_set: r.Set, Attr_clr: r.Clear}); err != nil {
			return lockedHint(fmt.Errorf("mount_setattr: %w", err))
		}
	}
	return setPropagations(at, r.Propagation)
}

func (r *Remount) filesystem(at int) error {
	c := pickFilesystem(at)
	defer c.close()
	for _, s := range superNames {
		switch {
		case r.Super&s.flag != 0:
			c.option(s.on)
		case r.SuperNot&s.flag != 0 && s.off != "":
			c.option(s.off)
		}
	}
	for _, option := range r.Data {
		c.option(option)
	}
	return c.reconfigure()
}
