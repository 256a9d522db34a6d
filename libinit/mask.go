package libinit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// MaskPaths hides paths inside the container: files behind /dev/null, directories behind an empty read-only tmpfs.
// What is not there is left out.
type MaskPaths struct {
	Paths []string
	Label string // the SELinux context of the tmpfs
}

// mask adds the read-only and the masked paths, and at the very end the propagation of the root: a root that is
// unbindable could not be bound over itself.
func (p *planner) mask() error {
	if p.spec.Linux == nil {
		return nil
	}
	if paths := p.spec.Linux.ReadonlyPaths; len(paths) > 0 {
		p.add("linux.readonlyPaths", &ReadonlyPaths{Paths: p.absolutePaths("linux.readonlyPaths", paths)})
	}
	if paths := p.spec.Linux.MaskedPaths; len(paths) > 0 {
		p.add("linux.maskedPaths", &MaskPaths{Paths: p.absolutePaths("linux.maskedPaths", paths), Label: p.mountLabel()})
	}
	name := p.spec.Linux.RootfsPropagation
	if flags, _ := rootPropagation(name); flags&(unix.MS_SHARED|unix.MS_UNBINDABLE) != 0 {
		p.add("linux.rootfsPropagation", &RootPropagation{Flags: flags, Name: name})
	}
	return nil
}

func (s *MaskPaths) String() string { return "mask " + strings.Join(s.Paths, " ") }

// Do hides them.
func (s *MaskPaths) Do(e *Env) error {
	m := masker{env: e, label: s.Label, null: -1, empty: -1}
	defer m.close()
	for i, name := range s.Paths {
		if slices.Contains(s.Paths[:i], name) {
			continue // it would be a mask of the mask
		}
		if err := m.mask(name); err != nil {
			return fault.New(fault.Mount, fmt.Sprintf("linux.maskedPaths[%d]", i), fmt.Errorf("mask %s: %w", name, err))
		}
	}
	e.forget("/")
	return nil
}

// masker keeps what all masks share.
type masker struct {
	env   *Env
	label string
	null  int // the container's /dev/null
	empty int // a mount of an empty tmpfs
}

func (m *masker) close() {
	for _, fd := range [...]int{m.null, m.empty} {
		if fd >= 0 {
			closeFd(fd)
		}
	}
}

func (m *masker) mask(name string) error {
	at, err := m.env.lookup(name)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeFd(at)
	kind, err := fileType(at)
	if err != nil {
		return err
	}
	if kind == unix.S_IFDIR {
		return m.maskDirectory(at)
	}
	return m.maskFile(at)
}

func (m *masker) maskFile(at int) error {
	if m.null < 0 {
		null, err := seeNull(int(m.env.Root.Fd()))
		if err != nil {
			return err
		}
		m.null = null.at
	}
	fd, err := cloneTree(m.null, "", false)
	if err != nil {
		return err
	}
	defer closeFd(fd)
	return attach(fd, at)
}

// errNotNull is what a /dev/null gives that is not the null device. To bind it over a file would give the container
// a file of its choice in place of the mask (CVE-2025-31133).
var errNotNull = errors.New(nullDevice + " is not the null device")

// nullDevice is the container's own.
const nullDevice = "/dev/null"

func seeNull(root int) (*seen, error) {
	s, err := see(root, nullDevice)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", nullDevice, err)
	}
	var st unix.Stat_t
	err = unix.Fstat(s.at, &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3)) {
		err = errNotNull
	}
	if err != nil {
		closeFd(s.at)
		return nil, err
	}
	return s, nil
}

// maskDirectory covers a directory. All masks are mounts of one tmpfs: nothing can be written to it.
func (m *masker) maskDirectory(at int) error {
	if m.empty >= 0 {
		fd, err := cloneTree(m.empty, "", false)
		if err != nil {
			return err
		}
		defer closeFd(fd)
		return attach(fd, at)
	}
	c := openFilesystem("tmpfs")
	defer c.close()
	c.option("nr_blocks=1")
	c.option("nr_inodes=1")
	c.option("ro")
	if m.label != "" {
		c.str("context", m.label)
	}
	fd, err := c.mount(unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	m.empty = fd // attached, it can be cloned: a detached mount only since Linux 6.15
	return attach(fd, at)
}
