package libinit

import (
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// copyUp copies what is in the directory from into the root of the mount to (O_PATH descriptors): the contents,
// modes, owners, times and extended attributes. It goes by descriptors and follows no link: whatever is renamed
// meanwhile, it reads below the one and writes below the other.
func copyUp(from, to int) error {
	// There may be any number of files, and init does without a collection otherwise (Environ).
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	src, err := openDirectory(from, ".")
	if err != nil {
		return err
	}
	dst, err := openDirectory(to, ".")
	if err != nil {
		closeFd(src)
		return err
	}
	return copyTree(src, dst)
}

func openDirectory(dir int, name string) (int, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return fd, os.NewSyscallError("openat", err)
}

// copyTree copies between two directories, and closes them.
func copyTree(from, to int) error {
	defer closeFd(to)
	f := os.NewFile(uintptr(from), "directory")
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyEntry(from, to, name); err != nil && errno(err) != unix.ENOENT {
			return &os.PathError{Op: "copy", Path: name, Err: err}
		}
	}
	return copyAttributes(from, to)
}

func copyEntry(from, to int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return copyDirectory(from, to, name)
	case unix.S_IFREG:
		return copyFile(from, to, name, st.Mode)
	case unix.S_IFLNK:
		b := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from, name, b)
		if err == nil {
			err = unix.Symlinkat(string(b[:n]), to, name)
		}
		if err != nil {
			return err
		}
		return unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err := unix.Mknodat(to, name, st.Mode, int(st.Rdev)); err != nil {
		return err
	}
	if err := unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.Fchmodat(to, name, st.Mode&0o7777, 0)
}

func copyDirectory(from, to int, name string) error {
	if err := unix.Mkdirat(to, name, 0o700); err != nil {
		return err
	}
	src, err := openDirectory(from, name)
	if err != nil {
		return err
	}
	dst, err := openDirectory(to, name)
	if err != nil {
		closeFd(src)
		return err
	}
	return copyTree(src, dst)
}

func copyFile(from, to int, name string, mode uint32) error {
	src, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	in := os.NewFile(uintptr(src), name)
	defer func() { _ = in.Close() }()
	dst, err := unix.Openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o700)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(dst), name)
	defer func() { _ = out.Close() }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return copyAttributes(src, dst)
}

// copyAttributes copies owner, mode, times and the extended attributes that a tmpfs can have. The mode comes after
// the owner, since a change of owner drops the set-user-ID bit.
func copyAttributes(src, dst int) error {
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	if err := unix.Fchown(dst, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(dst, st.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(src, dst); err != nil {
		return err
	}
	return utimes(dst, st.Atim, st.Mtim)
}

func utimes(fd int, atime, mtime unix.Timespec) error {
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{atime, mtime}, unix.AT_EMPTY_PATH)
}

func copyXattrs(src, dst int) error {
	list := make([]byte, 4096)
	n, err := unix.Flistxattr(src, list)
	if err == unix.ENOTSUP || n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		size, err := unix.Fgetxattr(src, name, value)
		if err != nil {
			continue // gone, or not ours to read
		}
		// A tmpfs has fewer kinds of attributes, and security.selinux is the mount's.
		err = unix.Fsetxattr(dst, name, value[:size], 0)
		if err != nil && err != unix.ENOTSUP && err != unix.EPERM {
			return err
		}
	}
	return nil
}
