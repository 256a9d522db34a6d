package libinit

import "golang.org/x/sys/unix"

// seen is a path inside root that has been looked at, by a descriptor that can only be looked at (O_PATH). To open what it
// is by that descriptor takes a procfs of init's own, a mount that would be made for this alone.
type seen struct {
	root    int
	path    string
	at      int
	resolve uint64 // RESOLVE_* flags of openat2(2) with which it was found
}

// see resolves path inside root. The caller closes at.
func see(root int, path string) (*seen, error) {
	s := &seen{root: root, path: path, resolve: unix.RESOLVE_NO_SYMLINKS}
	at, err := openIn(root, path, s.resolve)
	if err == unix.ELOOP {
		s.resolve = 0
		at, err = openIn(root, path, 0)
	}
	s.at = at
	return s, err
}

// open opens for reading or writing (flags) what has been seen: where there is something else by now it is an error. No link
// is followed then that was none before, and a FIFO keeps nobody waiting.
func (s *seen) open(flags int) (int, error) {
	fd, err := openHow(s.root, s.path, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | s.resolve,
	})
	if err != nil {
		return -1, err
	}
	var before, now unix.Stat_t
	if err = unix.Fstat(s.at, &before); err == nil {
		err = unix.Fstat(fd, &now)
	}
	if err == nil && (before.Dev != now.Dev || before.Ino != now.Ino) {
		err = unix.ESTALE
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	}
	if err != nil {
		closeFd(fd)
		return -1, err
	}
	return fd, nil
}
