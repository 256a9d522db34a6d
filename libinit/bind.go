package libinit

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Bind mounts a file or directory of the host.
type Bind struct {
	Index            int    // in the spec's mounts, or NotifySource
	Source           string // absolute
	Target           string
	Options          []string // as configured, to be shown
	Recursive        bool
	Attributes       BindAttributes
	RecSet, RecClear uint64 // MOUNT_ATTR_* of the mount and all mounts below
	Propagation      []uint64
	FromParent       bool   // the parent opens the source: init may not be allowed to, or it is id mapped
	ParentOnDenied   bool   // the parent is asked when init may not open the source
	Inside           string // the source inside the container, when an earlier mount covers it; "" for one of the host
	IDMapInside      bool   // the parent maps the ids of a source inside
	MustBeProc       bool   // the source must be a procfs: it goes to /proc
	InsideProc       bool   // the target is one of procFiles
	Below            bool   // an earlier mount is at the target or above it
	Beside           bool   // the mount before is in the same directory: attachBeside is tried first
}

// newBind makes the step of a bind mount.
func (p *planner) newBind(i int, o *mountOptions, dest string) *Bind {
	m := &p.spec.Mounts[i]
	b := &Bind{
		Index: i, Source: sourcePath(m.Source, p.opts.Bundle), Target: dest, Options: m.Options,
		Recursive: o.recursive, Attributes: bindAttributes(o, p.opts.UserNamespace), RecSet: o.recSet, RecClear: o.recClear,
		Propagation:    o.propagation,
		FromParent:     p.opts.UserNamespace && !p.opts.RootlessCaller || idMapped(m, o),
		ParentOnDenied: p.opts.UserNamespace,
		MustBeProc:     dest == "/proc",
		InsideProc:     strings.HasPrefix(dest, "/proc/"),
		Below:          p.below(dest),
	}
	b.Inside = p.insideSource(b.Source)
	b.Beside = p.beside(i, b)
	b.IDMapInside = b.Inside != "" && idMapped(m, o)
	if b.Recursive && b.Attributes.Set&unix.MOUNT_ATTR_RDONLY != 0 && b.Source == "/sys" {
		// The cgroups are mounts below it, and may be the caller's to write to (CVE-2023-25809).
		b.RecSet |= unix.MOUNT_ATTR_RDONLY
	}
	return b
}

// beside tells whether mount i may be attached beside the one before: what has to be looked at, or is kept, may not.
func (p *planner) beside(i int, b *Bind) bool {
	switch {
	case i == 0, b.Below, b.use() != useNone, b.InsideProc, b.Target == "/":
		return false
	}
	return path.Dir(b.Target) == path.Dir(cleanDestination(p.spec.Mounts[i-1].Destination))
}

// sourcePath is the source of a bind mount: relative ones are relative to the bundle (config.md, "Mounts").
func sourcePath(source, bundle string) string {
	if filepath.IsAbs(source) {
		return source
	}
	return filepath.Join(bundle, source)
}

func (b *Bind) String() string {
	return describe("bind "+b.Source, b.Target, b.Options)
}

// Do mounts it.
func (b *Bind) Do(e *Env) error {
	return mountError(b.Source, b.Target, b.do(e))
}

func (b *Bind) do(e *Env) error {
	fd, err := b.detached(e)
	if err != nil {
		return err
	}
	if b.Beside && e.attachBeside(fd, b.Target) {
		defer closeFd(fd)
		e.forgetKept(b.Target)
		return setPropagations(fd, b.Propagation)
	}
	at, err := b.target(e, fd)
	if err != nil {
		closeFd(fd)
		return err
	}
	defer closeFd(at)
	if err := attach(fd, at); err != nil {
		defer closeFd(fd)
		if err := b.sameKind(fd, at); err != nil {
			return err
		}
		return os.NewSyscallError("move_mount", err)
	}
	return e.finish(fd, b.Target, b.Propagation, b.use())
}

func (b *Bind) use() mountUse {
	if b.Target == "/proc" || b.Target == "/sys" {
		return useKeep
	}
	return useNone
}

// detached makes the mount, with what the options ask for, before it is attached: it never shows without.
func (b *Bind) detached(e *Env) (int, error) {
	ofHost := b.Inside == "" && !b.FromParent
	if a := &b.Attributes; ofHost && !b.Recursive && !a.Locked && a.any() && b.RecSet|b.RecClear == 0 && !e.noTreeAttr {
		fd, err := cloneTreeWith(b.Source, a.change(0))
		if err == nil {
			return fd, nil
		}
		e.noTreeAttr = err == unix.ENOSYS || err == unix.EPERM // a filter of an outer container says that
	}
	fd, err := b.open(e)
	if err != nil {
		return -1, err
	}
	if err := b.attributes(fd); err != nil {
		closeFd(fd)
		return -1, err
	}
	return fd, nil
}

// open opens the source as a detached mount.
func (b *Bind) open(e *Env) (int, error) {
	if b.Inside != "" {
		return b.openInside(e)
	}
	if b.FromParent {
		return e.sourceFd(b.Index)
	}
	fd, err := cloneTree(unix.AT_FDCWD, b.Source, b.Recursive)
	switch {
	case err == nil:
		return fd, nil
	case b.ParentOnDenied && (err == unix.EACCES || err == unix.EPERM):
		if fd, parentErr := e.sourceFd(b.Index); parentErr == nil {
			return fd, nil
		}
	}
	return -1, sourceError(b.Source, err)
}

// openInside opens a source that is a mount of the container, or in one: the host does not see it.
func (b *Bind) openInside(e *Env) (int, error) {
	at, err := openIn(int(e.Root.Fd()), b.Inside, 0)
	if err != nil {
		return -1, sourceError(b.Source, err)
	}
	defer closeFd(at)
	fd, err := cloneTree(at, "", b.Recursive)
	if err != nil {
		return -1, sourceError(b.Source, err)
	}
	if b.IDMapInside {
		if err := e.mapIDs(b.Index, fd); err != nil {
			closeFd(fd)
			return -1, err
		}
	}
	return fd, nil
}

// insideSource is the path, inside, of a source below the root filesystem that an earlier mount covers.
func (p *planner) insideSource(source string) string {
	root := filepath.Clean(sourcePath(p.spec.Root.Path, p.opts.Bundle))
	inside, ok := strings.CutPrefix(filepath.Clean(source), root+"/")
	if !ok || root == "/" {
		return ""
	}
	if inside = "/" + inside; p.covered(inside) {
		return inside
	}
	return ""
}

// sourceError is the error of a source that cannot be opened, in the words that engines know.
func sourceError(source string, err error) error {
	err = fmt.Errorf("failed to fulfil mount request: %w", &os.PathError{Op: "open", Path: source, Err: err})
	err = fault.New(fault.MountSource, ".source", err)
	switch errno(err) {
	case unix.EINVAL:
		return fault.Hint(err, "in a user namespace a directory with mounts in it has to be bound with rbind; an unbindable mount cannot be bound")
	case unix.ENOENT:
		return fault.Hint(err, "it is looked for on the host; a relative source is below the bundle's directory")
	}
	return err
}

// attributes sets what the options ask for.
func (b *Bind) attributes(fd int) error {
	if b.RecSet|b.RecClear != 0 {
		if err := setAttr(fd, true, unix.MountAttr{Attr_set: b.RecSet, Attr_clr: b.RecClear}); err != nil {
			return lockedHint(fmt.Errorf("mount_setattr (recursive): %w", err))
		}
	}
	return b.Attributes.apply(fd)
}

// target opens the place for the mount, made in the source's image when missing.
func (b *Bind) target(e *Env, source int) (int, error) {
	root := int(e.Root.Fd())
	if !b.Below && !b.MustBeProc && !b.InsideProc {
		if at, err := openPlain(root, b.Target); err == nil {
			return at, nil
		}
	}
	t := target{path: b.Target, noLinks: b.MustBeProc || b.InsideProc}
	var at int
	var err error
	if proc := e.keptAt("/proc"); b.InsideProc && proc >= 0 {
		// Links in the procfs itself, as /proc/net, are the kernel's.
		at, err = openIn(proc, strings.TrimPrefix(b.Target, "/proc/"), 0)
	} else {
		at, err = openTarget(e, t, source)
	}
	if err != nil {
		if t.noLinks && isLink(err) {
			return -1, notOrdinary("bind")
		}
		return -1, throughFile(root, b.Target, err)
	}
	if err := b.check(source, at); err != nil {
		closeFd(at)
		return -1, err
	}
	return at, nil
}

// openTarget spends a look at the source's type only when the target is missing.
func openTarget(e *Env, t target, source int) (int, error) {
	root := int(e.Root.Fd())
	var extra uint64
	if t.noLinks {
		extra = unix.RESOLVE_NO_SYMLINKS
	}
	at, err := openIn(root, t.path, extra)
	if err != unix.ENOENT {
		return at, err
	}
	kind, err := fileType(source)
	if err != nil {
		return -1, err
	}
	t.file = kind != unix.S_IFDIR
	at, _, err = t.open(root)
	return at, err
}

func (b *Bind) check(source, at int) error {
	if b.InsideProc {
		return nil // the plan has checked the path, and the image has no link in it
	}
	if !b.MustBeProc {
		return refuseProc(at, "bind")
	}
	magic, err := filesystem(source)
	if err != nil {
		return err
	}
	if magic != unix.PROC_SUPER_MAGIC || !isProcRoot(source) {
		return fmt.Errorf("%w: /proc can be covered by a procfs only", notOrdinary("bind"))
	}
	return nil
}

func (b *Bind) sameKind(source, at int) error {
	from, err := fileType(source)
	if err != nil {
		return err
	}
	to, err := fileType(at)
	if err != nil {
		return err
	}
	return MountKinds(from, to, b.Target)
}
