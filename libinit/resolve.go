package libinit

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is the kernel's own limit on symbolic links in one lookup, path_resolution(7).
const maxLinks = 40

// openIn resolves path inside root, once, to an O_PATH descriptor: a link, however it is made, ends inside root.
// extra is added to the RESOLVE_* flags of openat2(2).
func openIn(root int, path string, extra uint64) (int, error) {
	return openHow(root, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | extra,
	})
}

func openHow(root int, path string, how *unix.OpenHow) (int, error) {
	// EAGAIN means that something was renamed while ".." was resolved.
	for try := 0; ; try++ {
		fd, err := unix.Openat2(root, path, how)
		if err == unix.EINTR || err == unix.EAGAIN && try < 128 {
			continue
		}
		return fd, err
	}
}

// openPlain opens a path that leads over no link and over no other mount than that of root, as most do: what it is on needs
// no look then.
func openPlain(root int, path string) (int, error) {
	return openIn(root, path, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)
}

// target is a place for a mount, or for a node, inside the root filesystem.
type target struct {
	path    string
	file    bool // make a file, not a directory, when nothing is there
	noLinks bool // refuse symbolic links anywhere in the path
}

// open resolves the target to an O_PATH descriptor, and makes what is missing. made tells that it did.
func (t target) open(root int) (fd int, made bool, err error) {
	var extra uint64
	if t.noLinks {
		extra = unix.RESOLVE_NO_SYMLINKS
	}
	fd, err = openIn(root, t.path, extra)
	if err != unix.ENOENT {
		return fd, false, err
	}
	w := walker{target: t}
	fd, err = w.walk(root)
	return fd, true, err
}

// MakeTarget makes what is missing of a path inside root, a descriptor of a directory: directories, and an empty file at
// its end where file is set.
func MakeTarget(root int, path string, file bool) error {
	fd, _, err := target{path: path, file: file}.open(root)
	if err == nil {
		closeFd(fd)
	}
	return err
}

// walker makes the missing parts of a path one component at a time. Every descriptor on its stack was opened by a
// single name below the one before it, without following a link, and links are read and continued from the stack:
// there is no way out of root, whoever renames what meanwhile.
type walker struct {
	target
	stack []int // directories from root (not included) down
	links int
}

func (w *walker) walk(root int) (int, error) {
	defer func() {
		for _, fd := range w.stack {
			closeFd(fd)
		}
	}()
	rest := strings.Split(w.path, "/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		var err error
		switch name {
		case "", ".":
		case "..":
			w.pop()
		default:
			rest, err = w.step(root, name, rest)
		}
		if err != nil {
			return -1, fmt.Errorf("make %s: %w", w.path, err)
		}
	}
	if len(w.stack) == 0 {
		return unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 3)
	}
	fd := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	return fd, nil
}

func (w *walker) pop() {
	if n := len(w.stack); n > 0 {
		closeFd(w.stack[n-1])
		w.stack = w.stack[:n-1]
	}
}

// step goes to name and returns the components that are left, with those of the link if name is one.
func (w *walker) step(root int, name string, rest []string) ([]string, error) {
	dir := root
	if n := len(w.stack); n > 0 {
		dir = w.stack[n-1]
	}
	fd, err := openName(dir, name)
	if err == unix.ENOENT {
		if err = w.create(dir, name, len(trimDots(rest)) == 0); err == nil || err == unix.EEXIST {
			fd, err = openName(dir, name)
		}
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		closeFd(fd)
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		w.stack = append(w.stack, fd)
		return rest, nil
	}
	defer closeFd(fd)
	if w.links++; w.noLinks || w.links > maxLinks {
		return nil, unix.ELOOP
	}
	to, err := readlinkFd(fd)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(to, "/") {
		for len(w.stack) > 0 {
			w.pop()
		}
	}
	return append(strings.Split(to, "/"), rest...), nil
}

func (w *walker) create(dir int, name string, last bool) error {
	if last && w.file {
		fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err == nil {
			closeFd(fd)
		}
		return err
	}
	return unix.Mkdirat(dir, name, 0o755)
}

// trimDots drops components that lead nowhere from the end of a path.
func trimDots(rest []string) []string {
	for len(rest) > 0 && (rest[len(rest)-1] == "" || rest[len(rest)-1] == ".") {
		rest = rest[:len(rest)-1]
	}
	return rest
}

// openName opens one name in dir, the link itself if it is one.
func openName(dir int, name string) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func readlinkFd(fd int) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// isLink tells whether err says that a path has a symbolic link where none may be.
func isLink(err error) bool { return errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) }
