package libinit

import (
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/wire"
)

// Numbers in a Source that are no mount of the spec.
const (
	RootSource   = -1 // the root filesystem
	NotifySource = -2 // the directory of the notify socket, Options.NotifyDir
)

// source asks the parent for the source of a mount, see MsgSource.
func (e *Env) source(i int) (*os.File, error) {
	m, err := e.request(MsgSource, wire.Marshal(nil, Source{Mount: i}))
	if err != nil {
		return nil, err
	}
	return m.File()
}

// sourceFd is source, as a bare descriptor that the caller owns.
func (e *Env) sourceFd(i int) (int, error) {
	f, err := e.source(i)
	if err != nil {
		return -1, err
	}
	defer func() { _ = f.Close() }()
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
}

// mapIDs asks the parent to map the ids of a detached mount, see MsgIDMap.
func (e *Env) mapIDs(i, mount int) error {
	fd, err := unix.FcntlInt(uintptr(mount), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "mount")
	defer func() { _ = f.Close() }()
	_, err = e.request(MsgIDMap, wire.Marshal(nil, Source{Mount: i}), f)
	return err
}

// NeedsIDMap tells whether mount i of the spec wants an id mapping: with mappings of its own, or else with those of
// the container's user namespace. The parent then needs a user namespace with that mapping for OpenSource.
func NeedsIDMap(spec *specs.Spec, i int) bool {
	if i < 0 || i >= len(spec.Mounts) {
		return false
	}
	m := &spec.Mounts[i]
	o := parseMountOptions(m.Options)
	return idMapped(m, &o)
}

func idMapped(m *specs.Mount, o *mountOptions) bool { return len(m.UIDMappings) > 0 || o.idmap }

// OpenDir opens a directory of the host as a detached mount.
func OpenDir(path string) (*os.File, error) {
	fd, err := cloneTree(unix.AT_FDCWD, path, false)
	if err != nil {
		return nil, sourceError(path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenSource opens the source of mount i of the spec (RootSource: the root filesystem) in the caller's mount
// namespace, as a detached mount: what the parent answers to MsgSource. idmap is a user namespace whose mapping is
// applied when NeedsIDMap says so, else it may be nil; it must not be the initial one (mount_setattr(2), Linux 5.12).
func OpenSource(spec *specs.Spec, i int, bundle string, idmap *os.File) (*os.File, error) {
	path, recursive, err := sourceOf(spec, i, bundle)
	if err != nil {
		return nil, err
	}
	fd, err := cloneTree(unix.AT_FDCWD, path, recursive)
	if err != nil {
		return nil, sourceError(path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := prepareSource(spec, i, f, idmap); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sourceOf finds out what is to be opened.
func sourceOf(spec *specs.Spec, i int, bundle string) (path string, recursive bool, err error) {
	switch {
	case i == RootSource && spec.Root != nil:
		path = spec.Root.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(bundle, path)
		}
		return path, true, nil
	case i < 0 || i >= len(spec.Mounts):
		return "", false, fmt.Errorf("source of mount %d: there is no such mount", i)
	}
	m := &spec.Mounts[i]
	return sourcePath(m.Source, bundle), parseMountOptions(m.Options).recursive, nil
}

// prepareSource cuts the clone off from the host, as a copy of the mount namespace would be, and maps its ids.
func prepareSource(spec *specs.Spec, i int, f, idmap *os.File) error {
	fd := int(f.Fd())
	if !sharesRoot(spec) {
		if err := setPropagation(fd, unix.MS_SLAVE|unix.MS_REC); err != nil {
			return fmt.Errorf("make %s a slave of the host's mount: %w", f.Name(), err)
		}
	}
	if !NeedsIDMap(spec, i) {
		return nil
	}
	return MapIDs(spec, i, f, idmap)
}

// MapIDs maps the ids of a detached mount, as mount i of the spec asks: what the parent does for OpenSource, and for
// MsgIDMap. It takes CAP_SYS_ADMIN in the user namespace of the filesystem, which init has not in one of its own.
func MapIDs(spec *specs.Spec, i int, f, idmap *os.File) error {
	source := spec.Mounts[i].Source
	if idmap == nil {
		return fault.New(fault.Internal, "", fmt.Errorf("id map %s: no user namespace", source))
	}
	recursive := parseMountOptions(spec.Mounts[i].Options).recIDMap
	err := setAttr(int(f.Fd()), recursive, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(idmap.Fd())})
	switch errno(err) {
	case 0:
		return nil
	case unix.EINVAL:
		return fault.Hint(fmt.Errorf("id map %s: %w", source, err), "its filesystem has no support for id mapped mounts")
	case unix.EPERM:
		return fault.Hint(fmt.Errorf("id map %s: %w", source, err), "it may be id mapped already, or belong to another user namespace")
	}
	return fmt.Errorf("id map %s: %w", source, err)
}

// sharesRoot tells whether mount events are to reach the host.
func sharesRoot(spec *specs.Spec) bool {
	return spec.Linux != nil && (spec.Linux.RootfsPropagation == "shared" || spec.Linux.RootfsPropagation == "rshared")
}
