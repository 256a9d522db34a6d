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

// Device is one device node.
type Device struct {
	Path         string
	Mode         uint32 // S_IFCHR, S_IFBLK or S_IFIFO, with the permissions
	Major, Minor uint32
	UID, GID     uint32 // in the container
}

// Devices makes the container's devices, and the links in /dev.
type Devices struct {
	Nodes []Device
	Bind  bool // in a user namespace no device can be made: the host's is bound
	Plain bool // without a mount namespace of its own nothing can be bound
}

// defaultDevices are those that every container has (config-linux.md, "Default Devices").
var defaultDevices = [...]Device{
	{Path: "/dev/null", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 3},
	{Path: "/dev/random", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 8},
	{Path: "/dev/full", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 7},
	{Path: "/dev/tty", Mode: unix.S_IFCHR | 0o666, Major: 5, Minor: 0},
	{Path: "/dev/zero", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 5},
	{Path: "/dev/urandom", Mode: unix.S_IFCHR | 0o666, Major: 1, Minor: 9},
}

// devLinks are the links in /dev (runtime-linux.md, "Dev symbolic links"), with two that programs expect: core, and
// ptmx, which has to lead to the container's own devpts.
var devLinks = [...]struct{ name, to string }{
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"},
	{"ptmx", "pts/ptmx"},
}

// devices adds the devices, unless /dev is the host's: it has them, and must not be changed.
func (p *planner) devices() error {
	for i := range p.spec.Mounts {
		m := &p.spec.Mounts[i]
		if cleanDestination(m.Destination) == "/dev" && parseMountOptions(m.Options).bind {
			return nil
		}
	}
	s := &Devices{Nodes: slices.Clone(defaultDevices[:]), Bind: p.opts.UserNamespace, Plain: !p.hasNamespace(specs.MountNamespace)}
	if p.spec.Linux != nil {
		for i := range p.spec.Linux.Devices {
			d, err := newDevice(i, &p.spec.Linux.Devices[i])
			if err != nil {
				p.bad(err)
				continue
			}
			if d.Path == "/dev/ptmx" {
				continue // the link of devLinks takes its place, and cannot where it is bound
			}
			s.Nodes = slices.DeleteFunc(s.Nodes, func(other Device) bool { return other.Path == d.Path })
			s.Nodes = append(s.Nodes, d)
		}
	}
	p.add("linux.devices", s)
	return nil
}

func newDevice(i int, d *specs.LinuxDevice) (Device, error) {
	bad := func(field, format string, args ...any) (Device, error) {
		field = "linux.devices[" + strconv.Itoa(i) + "]." + field
		return Device{}, fault.New(fault.Config, field, fmt.Errorf(field+": "+format, args...))
	}
	if !path.IsAbs(d.Path) || strings.IndexByte(d.Path, 0) >= 0 || path.Clean(d.Path) == "/" {
		return bad("path", "%q is not the absolute path of a device", d.Path)
	}
	n := Device{Path: path.Clean(d.Path), Mode: 0o666}
	if d.FileMode != nil {
		n.Mode = permissions(uint32(*d.FileMode))
	}
	switch d.Type {
	case "c", "u":
		n.Mode |= unix.S_IFCHR
	case "b":
		n.Mode |= unix.S_IFBLK
	case "p":
		n.Mode |= unix.S_IFIFO
	default:
		_, err := bad("type", "%q is none of c, u, b, p", d.Type)
		return Device{}, fault.Expect("c or u (character), b (block) or p (FIFO)", err)
	}
	if d.Type != "p" {
		const maxMajor, maxMinor = 1<<12 - 1, 1<<20 - 1 // MINORBITS in the kernel is 20
		if d.Major < 0 || d.Major > maxMajor {
			return bad("major", "%d is not between 0 and %d", d.Major, maxMajor)
		}
		if d.Minor < 0 || d.Minor > maxMinor {
			return bad("minor", "%d is not between 0 and %d", d.Minor, maxMinor)
		}
		n.Major, n.Minor = uint32(d.Major), uint32(d.Minor)
	}
	if d.UID != nil {
		n.UID = *d.UID
	}
	if d.GID != nil {
		n.GID = *d.GID
	}
	return n, nil
}

// permissions are the twelve mode bits of a file mode. Engines write the kernel's mode, S_IFMT and all.
func permissions(mode uint32) uint32 { return mode & 0o7777 }

func (s *Devices) String() string {
	names := make([]string, len(s.Nodes))
	for i, d := range s.Nodes {
		names[i] = d.Path
	}
	what := "make devices "
	if s.Bind {
		what = "bind devices "
	}
	return what + strings.Join(names, " ")
}

func (d *Device) is(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == d.Mode&unix.S_IFMT && st.Rdev == d.number()
}

func (d *Device) number() uint64 { return unix.Mkdev(d.Major, d.Minor) }

// Do makes them.
func (s *Devices) Do(e *Env) error {
	// The modes are those of the configuration, whatever the engine's umask is.
	defer unix.Umask(unix.Umask(0))
	root := int(e.Root.Fd())
	dev, _, err := target{path: "/dev"}.open(root)
	if err != nil {
		return fault.New(fault.Device, "", fmt.Errorf("open /dev: %w", err))
	}
	defer closeFd(dev)
	for i := range s.Nodes {
		if err := s.node(root, dev, &s.Nodes[i]); err != nil {
			return fault.New(fault.Device, "", fmt.Errorf("make device %s: %w", s.Nodes[i].Path, err))
		}
	}
	for _, l := range devLinks {
		if l.name == "core" && !e.hasKcore() {
			continue
		}
		if err := link(dev, l.name, l.to); err != nil {
			return fault.New(fault.Device, "", fmt.Errorf("make link /dev/%s: %w", l.name, err))
		}
	}
	return nil
}

// hasKcore tells whether this kernel has /proc/kcore.
func (e *Env) hasKcore() bool {
	proc := e.keptAt("/proc")
	return proc >= 0 && unix.Faccessat(proc, "kcore", unix.F_OK, 0) == nil
}

func (s *Devices) node(root, dev int, d *Device) error {
	name, ok := strings.CutPrefix(d.Path, "/dev/")
	if ok && !strings.Contains(name, "/") {
		return s.place(dev, name, d)
	}
	dir, base := path.Split(d.Path)
	fd, _, err := target{path: dir}.open(root)
	if err != nil {
		return err
	}
	defer closeFd(fd)
	return s.place(fd, base, d)
}

func (s *Devices) place(dir int, name string, d *Device) error {
	if s.Bind && !s.Plain && d.Mode&unix.S_IFMT != unix.S_IFIFO {
		return bindDevice(dir, name, d)
	}
	err := unix.Mknodat(dir, name, d.Mode, int(d.number()))
	if err == unix.EEXIST {
		err = replaceNode(dir, name, d)
	}
	if err == unix.EPERM && !s.Plain && d.Mode&unix.S_IFMT != unix.S_IFIFO {
		// No right to make devices, as inside another container: the host's may do.
		return bindDevice(dir, name, d)
	}
	if err != nil {
		return err
	}
	if d.UID|d.GID == 0 {
		return nil
	}
	return unix.Fchownat(dir, name, int(d.UID), int(d.GID), unix.AT_SYMLINK_NOFOLLOW)
}

// replaceNode deals with what is there already: what is not the device as configured is made anew, unless the
// configuration has mounted it.
func replaceNode(dir int, name string, d *Device) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if d.is(&st) && st.Mode == d.Mode && st.Uid == d.UID && st.Gid == d.GID {
		return nil
	}
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EBUSY {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace what is there: %w", err)
	}
	return unix.Mknodat(dir, name, d.Mode, int(d.number()))
}

// bindDevice mounts the host's device over a file.
func bindDevice(dir int, name string, d *Device) error {
	fd, err := cloneTree(unix.AT_FDCWD, d.Path, false)
	if err != nil {
		return fmt.Errorf("bind the host's device: %w", err)
	}
	defer closeFd(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if !d.is(&st) {
		return fmt.Errorf("bind the host's device: %s is not the device %d:%d", d.Path, d.Major, d.Minor)
	}
	at, err := openFile(dir, name)
	if err != nil {
		return err
	}
	defer closeFd(at)
	return attach(fd, at)
}

// openFile opens what a device can be mounted on, and makes a file when there is nothing, or a link.
func openFile(dir int, name string) (int, error) {
	for try := 0; ; try++ {
		at, err := openName(dir, name)
		if err == nil {
			var kind uint32
			if kind, err = fileType(at); err == nil && kind != unix.S_IFLNK {
				return at, nil
			}
			closeFd(at)
			if err == nil {
				err = unix.Unlinkat(dir, name, 0)
			}
		}
		if err == nil || err == unix.ENOENT {
			err = unix.Mknodat(dir, name, unix.S_IFREG|0o666, 0)
		}
		if err != nil && err != unix.EEXIST {
			return -1, err
		}
		if try == 8 { // somebody keeps changing it
			return -1, unix.ELOOP
		}
	}
}

func link(dir int, name, to string) error {
	err := unix.Symlinkat(to, dir, name)
	if err != unix.EEXIST {
		return err
	}
	b := make([]byte, len(to)+1)
	if n, err := unix.Readlinkat(dir, name, b); err == nil && string(b[:n]) == to {
		return nil
	}
	if name != "ptmx" {
		return nil // the image's own choice; only ptmx decides whose terminals are used
	}
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return fmt.Errorf("replace what is there: %w", err)
	}
	return unix.Symlinkat(to, dir, name)
}
