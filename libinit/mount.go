package libinit

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Mount mounts a new instance of a filesystem.
type Mount struct {
	Type, Source, Target string
	Options              []string // as configured, to be shown
	Attr                 uint64   // MOUNT_ATTR_* of the mount
	Data                 []string // options of the filesystem
	Old                  uint64   // MS_* flags that fsconfig(2) cannot set: with any, mount(2) is used
	Super                uint64   // the other MS_* flags of the superblock, for mount(2)
	Propagation          []uint64
	Ordinary             bool // no link may be in the path of the target
	KeepMode             bool // a tmpfs takes the mode of the directory that it covers
	CopyUp               bool // a tmpfs takes the contents of the directory that it covers
	Late                 bool // becomes read-only only when the root filesystem is complete
	Below                bool // an earlier mount is at the target or above it
}

func (m *Mount) String() string {
	return describe("mount "+m.Type, m.Target, m.Options)
}

// describe says what is mounted where, with its options.
func describe(what, where string, options []string) string {
	if len(options) == 0 {
		return what + " at " + where
	}
	return what + " at " + where + " (" + strings.Join(options, ",") + ")"
}

// Do mounts it.
func (m *Mount) Do(e *Env) error {
	return mountError(m.Source, m.Target, m.do(e))
}

// mountError is the text that engines know, and the code.
func mountError(source, dest string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Mount, "", fmt.Errorf("error mounting %q to rootfs at %q: %w", source, dest, err))
}

func (m *Mount) do(e *Env) error {
	at, made, err := m.target(int(e.Root.Fd()))
	if err != nil {
		return err
	}
	defer closeFd(at)
	if err = m.mount(e, at, made); err != nil {
		if kind, kindErr := fileType(at); kindErr == nil {
			return cmp.Or(NeedsDirectory(m.Type, kind, m.Target), err)
		}
	}
	return err
}

// target opens the place for the mount, which is made when it is missing. It may not lie within a procfs: the paths there
// that may be covered are binds.
func (m *Mount) target(root int) (at int, made bool, err error) {
	if !m.Below && !m.Ordinary {
		if at, err := openPlain(root, m.Target); err == nil {
			return at, false, nil
		}
	}
	at, made, err = target{path: m.Target, noLinks: m.Ordinary}.open(root)
	switch {
	case err != nil && m.Ordinary && isLink(err):
		return -1, false, notOrdinary(m.Type)
	case err != nil:
		return -1, false, throughFile(root, m.Target, err)
	case m.Ordinary:
		return at, made, nil
	}
	if err := refuseProc(at, m.Type); err != nil {
		closeFd(at)
		return -1, false, err
	}
	return at, made, nil
}

func (m *Mount) mount(e *Env, at int, made bool) error {
	data, err := m.data(at, made)
	if err != nil {
		return err
	}
	if m.Old != 0 || slices.ContainsFunc(data, tooLong) {
		return m.mountOld(e, at, data)
	}
	fd, err := m.make(data)
	if err != nil {
		return m.hint(err)
	}
	if m.CopyUp && !made {
		if err := copyUp(at, fd); err != nil {
			closeFd(fd)
			return fmt.Errorf("copy up: %w", err)
		}
	}
	return e.place(fd, at, m.Target, m.Propagation, m.use())
}

// place attaches a detached mount, whose descriptor it owns, at a target in the root filesystem.
func (e *Env) place(fd, at int, path string, propagation []uint64, use mountUse) error {
	if err := attach(fd, at); err != nil {
		closeFd(fd)
		return os.NewSyscallError("move_mount", err)
	}
	return e.finish(fd, path, propagation, use)
}

// finish does what is left for a mount that is attached.
func (e *Env) finish(fd int, path string, propagation []uint64, use mountUse) error {
	if err := setPropagations(fd, propagation); err != nil {
		closeFd(fd)
		return err
	}
	e.forget(path)
	switch {
	case use == useLate:
		e.late = append(e.late, fd)
	case use == useKeep:
		e.keep(path, fd)
	case path == "/": // over the root itself: what follows goes into the new mount
		e.Root = os.NewFile(uintptr(fd), "/")
	default:
		return unix.Close(fd)
	}
	return nil
}

// mountUse is what the descriptor of a mount is needed for once it is attached.
type mountUse int

const (
	useNone mountUse = iota
	useLate          // it is made read-only later
	useKeep          // its files are masked later
)

func (m *Mount) use() mountUse {
	switch {
	case m.Late:
		return useLate
	case m.Ordinary:
		return useKeep
	}
	return useNone
}

func notOrdinary(kind string) error {
	return fault.Hint(fmt.Errorf("filesystem %q must be mounted on ordinary directory", kind),
		"no link may be in the path: what trusts /proc and /sys must find the container's own there")
}

// refuseProc refuses a target on a procfs. A link in the image can lead there, whatever the configuration says
// (CVE-2019-19921).
func refuseProc(at int, kind string) error {
	magic, err := filesystem(at)
	if err != nil {
		return err
	}
	if magic == unix.PROC_SUPER_MAGIC {
		return fmt.Errorf("%w, not inside /proc", notOrdinary(kind))
	}
	return nil
}

// data gives the options of the filesystem, with those that depend on the target.
func (m *Mount) data(at int, made bool) ([]string, error) {
	if !m.KeepMode || made {
		return m.Data, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return nil, err
	}
	return append(slices.Clone(m.Data), "mode="+strconv.FormatUint(uint64(st.Mode&0o7777), 8)), nil
}

// make makes the detached mount.
func (m *Mount) make(data []string) (int, error) {
	c := openFilesystem(m.Type)
	defer c.close()
	m.configure(c, data)
	return c.mount(m.Attr)
}

// configure gives the filesystem its source and options.
func (m *Mount) configure(c *fsContext, data []string) {
	if m.Source != "" {
		c.str("source", m.Source)
	}
	for _, s := range superNames {
		if m.Super&s.flag != 0 {
			c.option(s.on)
		}
	}
	for _, option := range data {
		c.option(option)
	}
}

// tooLong tells whether fsconfig(2) refuses a value for its length: it takes strings of up to 255 bytes, which is
// less than the layers of an overlay need.
func tooLong(option string) bool { return len(option) > 255 }

// mountOld mounts with mount(2) by the target's descriptor. The path of the link is in the host's own /proc: init
// has not left the host's root when mounts are made.
func (m *Mount) mountOld(e *Env, at int, data []string) error {
	link := "/proc/self/fd/" + strconv.Itoa(at)
	flags := oldAttr(m.Attr) | uintptr(m.Old|m.Super)
	if err := unix.Mount(m.Source, link, m.Type, flags, joinData(data)); err != nil {
		return m.hint(os.NewSyscallError("mount", err))
	}
	e.forget(m.Target)
	if len(m.Propagation) == 0 && m.use() == useNone {
		return nil
	}
	// The descriptor of the target is that of the directory below: the mount has to be looked up.
	fd, err := openIn(int(e.Root.Fd()), m.Target, 0)
	if err != nil {
		return err
	}
	if root, err := isMountRoot(fd); err != nil || !root {
		closeFd(fd)
		return fmt.Errorf("the mount is not at its target: %w", unix.ESTALE)
	}
	return e.finish(fd, m.Target, m.Propagation, m.use())
}

// hint explains the errors that the kernel leaves bare.
func (m *Mount) hint(err error) error {
	switch n := errno(err); {
	case n == unix.ENODEV && m.Type == "bind", n == unix.ENODEV && m.Type == "none":
		return notBind(err)
	case n == unix.ENODEV:
		return noFilesystem(m.Type, err)
	case n == unix.EPERM && m.Type == "sysfs":
		return fault.Hint(err, "in a user namespace sysfs needs a new network namespace; else bind the host's /sys (options rbind, ro)")
	case n == unix.EPERM && m.Type == "proc":
		return procRefused(err)
	case n == unix.EINVAL && fault.Of(err).Field == ".options":
		return fault.Hint(err, "options that are no mount option are the filesystem's own: "+m.Type+" knows none like that, or not with this value")
	case n == unix.EINVAL && m.Type == "devpts":
		return fault.Hint(err, "is the group of gid= mapped into the user namespace?")
	}
	return err
}

// notBind is the error of a type that names what only an option asks for.
func notBind(err error) error {
	return fault.Hint(fault.New(fault.MountNotBind, ".options", err),
		`type "bind" alone does not make a bind mount: add "bind" or "rbind" to the options`)
}

func noFilesystem(kind string, err error) error {
	return fault.Hint(fault.New(fault.Filesystem, ".type", err),
		"this kernel has no filesystem "+strconv.Quote(kind)+", or its module is not loaded: see /proc/filesystems")
}

// newMount makes the step for a mount that is not a bind.
func (p *planner) newMount(m *specs.Mount, o *mountOptions, dest string) *Mount {
	// For a new filesystem the recursive attributes are those of the one mount.
	s := &Mount{
		Type: m.Type, Source: m.Source, Target: dest, Options: m.Options,
		Attr: o.set | o.recSet, Data: splitData(o.data), Propagation: o.propagation, CopyUp: o.copyUp,
		Old: o.super & (unix.MS_I_VERSION | unix.MS_SILENT), Super: o.super &^ (unix.MS_I_VERSION | unix.MS_SILENT),
		Ordinary: m.Type == "proc" || m.Type == "sysfs", Below: p.below(dest),
	}
	readonly := s.Attr&unix.MOUNT_ATTR_RDONLY != 0
	switch m.Type {
	case "tmpfs":
		s.KeepMode = !slices.ContainsFunc(s.Data, func(d string) bool { return strings.HasPrefix(d, "mode=") })
		s.Late = readonly
	case "proc", "sysfs", "devpts", "mqueue", "cgroup2", "ramfs":
	default:
		if readonly { // a filesystem on a device has to know: it would write to the journal
			s.Data = append(slices.Clone(s.Data), "ro")
		}
	}
	if path.Clean(dest) == "/dev" && readonly {
		s.Late = true // devices are to be made in it
	}
	if s.Late {
		s.Attr &^= unix.MOUNT_ATTR_RDONLY
	}
	if label := p.mountLabel(); label != "" && takesLabel(m.Type) {
		s.Data = append(slices.Clone(s.Data), "context="+label)
	}
	return s
}

// takesLabel tells whether the files of a filesystem get the container's SELinux context. Those of proc and sysfs
// have contexts of their own from the policy, and a devpts is labelled by the policy when it is used.
func takesLabel(kind string) bool {
	switch kind {
	case "proc", "sysfs", "cgroup", "cgroup2":
		return false
	}
	return true
}

func (p *planner) mountLabel() string {
	if p.spec.Linux == nil || !p.opts.SELinux {
		return ""
	}
	return p.spec.Linux.MountLabel
}
