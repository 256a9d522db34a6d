package check

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// view is the root filesystem, with the mounts of the configuration, as a process in the container would see it. It is
// looked at from outside: every name is opened below the one before it, without following a link, and links are read
// and continued from the root, so that nothing leads out.
type view struct {
	root   int
	mounts map[string]int // what covers a directory or file, by its path without links; unseen for a new filesystem
}

// unseen stands for a filesystem that is not there yet: whatever is in it, nobody can say what.
const unseen = -1

var errUnseen = errors.New("on a filesystem that is not there yet")

// maxLinks is the kernel's own limit, path_resolution(7).
const maxLinks = 40

func newView(root string) (*view, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	return &view{root: fd, mounts: map[string]int{}}, nil
}

func (v *view) close() {
	_ = unix.Close(v.root)
	for _, fd := range v.mounts {
		if fd != unseen {
			_ = unix.Close(fd)
		}
	}
}

// cover puts a mount on a path without links. fd becomes the view's.
func (v *view) cover(at string, fd int) {
	if old, ok := v.mounts[at]; ok && old != unseen {
		_ = unix.Close(old)
	}
	// What was mounted below is covered, too.
	for below, old := range v.mounts {
		if strings.HasPrefix(below, strings.TrimSuffix(at, "/")+"/") && below != at {
			if old != unseen {
				_ = unix.Close(old)
			}
			delete(v.mounts, below)
		}
	}
	v.mounts[at] = fd
}

// mounted tells whether a path is in something that is mounted in the root filesystem.
func (v *view) mounted(name string) bool {
	for at := range v.mounts {
		if at != "/" && strings.HasPrefix(name+"/", at+"/") {
			return true
		}
	}
	return false
}

// found is where a path leads.
type found struct {
	fd     int    // O_PATH, the caller's; -1 when there is an error
	path   string // without links; with an error, of what is there, followed by what is not
	mode   uint32 // of the file, or of the last thing that is there
	there  string // the last thing that is there, a path without links
	links  bool   // there was a symbolic link
	leaves bool   // there was a ".." at the root
}

// lookup finds what a path leads to. The error is a unix.Errno, or errUnseen.
func (v *view) lookup(name string) (found, error) {
	w := walk{view: v}
	defer w.close()
	err := w.to(name)
	f := found{fd: -1, path: w.path(), mode: w.mode, there: w.path(), links: w.links > 0, leaves: w.leaves}
	if err != nil {
		f.path = path.Join(f.there, w.missing)
		return f, err
	}
	f.fd, err = unix.FcntlInt(uintptr(w.top()), unix.F_DUPFD_CLOEXEC, 3)
	return f, err
}

// walk is the way to a path.
type walk struct {
	*view
	names   []string
	fds     []int // opened, one for each name; unseen below a filesystem that is not there yet
	mode    uint32
	links   int
	leaves  bool
	missing string // with an error: what is left of the path
}

func (w *walk) path() string { return "/" + strings.Join(w.names, "/") }

func (w *walk) top() int {
	if n := len(w.fds); n > 0 {
		return w.fds[n-1]
	}
	if fd, ok := w.mounts["/"]; ok {
		return fd
	}
	return w.root
}

func (w *walk) close() {
	for len(w.names) > 0 {
		w.pop()
	}
}

func (w *walk) pop() {
	n := len(w.names) - 1
	if fd := w.fds[n]; fd != unseen {
		_ = unix.Close(fd)
	}
	w.names, w.fds = w.names[:n], w.fds[:n]
}

func (w *walk) to(name string) error {
	rest := strings.Split(name, "/")
	w.mode = unix.S_IFDIR
	for len(rest) > 0 {
		next := rest[0]
		rest = rest[1:]
		switch {
		case next == "" || next == ".":
			continue
		case next == ".." && len(w.names) == 0:
			w.leaves = true
			continue
		case next == "..":
			w.pop()
			w.mode = unix.S_IFDIR
			continue
		}
		more, err := w.step(next)
		if err != nil {
			w.missing = path.Join(append([]string{next}, rest...)...)
			return err
		}
		rest = append(more, rest...)
	}
	return nil
}

// step goes to a name in the directory that is reached. For a link it gives the components of that.
func (w *walk) step(name string) ([]string, error) {
	if fd, ok := w.mounts[path.Join(w.path(), name)]; ok {
		return nil, w.enter(name, fd)
	}
	switch {
	case w.top() == unseen:
		return nil, errUnseen
	case w.mode&unix.S_IFMT != unix.S_IFDIR:
		return nil, unix.ENOTDIR
	}
	fd, err := unix.Openat(w.top(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		w.names, w.fds, w.mode = append(w.names, name), append(w.fds, fd), st.Mode
		return nil, nil
	}
	defer unix.Close(fd)
	if w.links++; w.links > maxLinks {
		return nil, unix.ELOOP
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return nil, err
	}
	if n > 0 && b[0] == '/' {
		w.close()
		w.mode = unix.S_IFDIR
	}
	return strings.Split(string(b[:n]), "/"), nil
}

// enter goes into a mount.
func (w *walk) enter(name string, fd int) error {
	if fd == unseen {
		w.names, w.fds, w.mode = append(w.names, name), append(w.fds, unseen), unix.S_IFDIR
		return nil
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(own, &st); err != nil {
		_ = unix.Close(own)
		return err
	}
	w.names, w.fds, w.mode = append(w.names, name), append(w.fds, own), st.Mode
	return nil
}
