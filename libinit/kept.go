package libinit

import "strings"

// kept is a procfs or sysfs that stays open until its files are masked. Who shares the root filesystem can rename
// the directory that it is mounted on, and a lookup of /proc/kcore then finds nothing to mask, while the mount is
// there still.
type kept struct {
	path string
	fd   int
}

// keep remembers a mount, whose descriptor it owns.
func (e *Env) keep(path string, fd int) {
	e.kept = append(e.kept, kept{path, fd})
}

// keptAt gives the descriptor of the mount that was kept for a path, -1 without one.
func (e *Env) keptAt(path string) int {
	for _, k := range e.kept {
		if k.path == path {
			return k.fd
		}
	}
	return -1
}

// forget drops what a new mount at path covers. The directory is dropped in any case: a link may have led the mount over it.
func (e *Env) forget(path string) {
	e.forgetKept(path)
	e.leaveDirectory()
}

func (e *Env) forgetKept(path string) {
	left := e.kept[:0]
	for _, k := range e.kept {
		if k.path == path || strings.HasPrefix(k.path, strings.TrimSuffix(path, "/")+"/") {
			closeFd(k.fd)
			continue
		}
		left = append(left, k)
	}
	e.kept = left
}

// lookup resolves a path inside the container, in the mount that was kept for it where there is one.
func (e *Env) lookup(path string) (int, error) {
	for _, k := range e.kept {
		if rest, ok := strings.CutPrefix(path, k.path+"/"); ok {
			return openIn(k.fd, rest, 0)
		}
	}
	return openIn(int(e.Root.Fd()), path, 0)
}
