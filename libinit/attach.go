package libinit

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// closeFd closes a descriptor whose close has nothing to report: nothing was written through it.
func closeFd(fd int) { _ = unix.Close(fd) }

// attach moves the detached mount to the place that at refers to, move_mount(2).
func attach(mount, at int) error {
	return unix.MoveMount(mount, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// cloneTree makes a detached bind mount of path, which is relative to dir; "" is dir itself. open_tree(2).
func cloneTree(dir int, path string, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	for {
		fd, err := unix.OpenTree(dir, path, flags)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// cloneTreeWith makes a detached bind mount, without those below it, whose attributes are changed, open_tree_attr(2) of
// Linux 6.15.
func cloneTreeWith(path string, attr unix.MountAttr) (int, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	dir := unix.AT_FDCWD
	fd, _, n := unix.Syscall6(unix.SYS_OPEN_TREE_ATTR, uintptr(dir), uintptr(unsafe.Pointer(p)),
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if n != 0 {
		return -1, n
	}
	return int(fd), nil
}

// setAttr changes attributes of a mount, mount_setattr(2).
func setAttr(mount int, recursive bool, attr unix.MountAttr) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(mount, "", flags, &attr)
	switch {
	case err == unix.ENOSYS:
		return fault.Hint(err, "mydocker needs Linux 5.12, which brought mount_setattr")
	case err == unix.EINVAL && (attr.Attr_set|attr.Attr_clr)&unix.MOUNT_ATTR_NOSYMFOLLOW != 0:
		return fault.Hint(err, "nosymfollow needs Linux 5.14")
	}
	return err
}

// withAttr is the change that adds attributes. The field of access times is replaced as a whole.
func withAttr(attr uint64) unix.MountAttr {
	var clear uint64
	if attr&unix.MOUNT_ATTR__ATIME != 0 {
		clear = unix.MOUNT_ATTR__ATIME
	}
	return unix.MountAttr{Attr_set: attr, Attr_clr: clear}
}

// setPropagation sets the propagation type of a mount (MS_SHARED and its like, with MS_REC for all mounts below).
func setPropagation(mount int, flags uint64) error {
	return setAttr(mount, flags&unix.MS_REC != 0, unix.MountAttr{Propagation: flags &^ unix.MS_REC})
}

// setPropagations sets propagation types in order: a slave that is then shared is both.
func setPropagations(mount int, all []uint64) error {
	for _, flags := range all {
		if err := setPropagation(mount, flags); err != nil {
			return os.NewSyscallError("set propagation", err)
		}
	}
	return nil
}

// isMountRoot tells whether fd is the root of a mount, statx(2).
func isMountRoot(fd int) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}

// filesystem gives the magic number of the filesystem that fd is on, statfs(2).
func filesystem(fd int) (int64, error) {
	var st unix.Statfs_t
	for {
		err := unix.Fstatfs(fd, &st)
		if err != unix.EINTR {
			return int64(st.Type), err //nolint:unconvert // another type on other architectures
		}
	}
}

// fileType gives the S_IFMT part of the mode of what fd refers to.
func fileType(fd int) (uint32, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st.Mode & unix.S_IFMT, err
}

// errno gives the system's error number in err, 0 without one.
func errno(err error) unix.Errno {
	var n unix.Errno
	errors.As(err, &n)
	return n
}
