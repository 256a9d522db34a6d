package libinit

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// kindName is what a file is, by the S_IFMT part of its mode.
func kindName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFCHR:
		return "a character device"
	case unix.S_IFBLK:
		return "a block device"
	}
	return "of an unknown kind"
}

// MountKinds refuses a file over a directory and the reverse, for which the kernel has a bare EINVAL. from and to are
// the modes of the source and of what is at the target.
func MountKinds(from, to uint32, target string) error {
	if (from&unix.S_IFMT == unix.S_IFDIR) == (to&unix.S_IFMT == unix.S_IFDIR) {
		return nil
	}
	hint := fmt.Sprintf("the source is %s, and %s in the root filesystem is %s: only a directory goes on a directory",
		kindName(from), target, kindName(to))
	return fault.Hint(fault.New(fault.MountKind, ".destination", unix.ENOTDIR), hint)
}

// NeedsDirectory is MountKinds for a filesystem, whose root is a directory.
func NeedsDirectory(kind string, to uint32, target string) error {
	if to&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	hint := fmt.Sprintf("a %s is mounted on a directory, and %s in the root filesystem is %s: only a bind mount of a file can go there",
		kind, target, kindName(to))
	return fault.Hint(fault.New(fault.MountKind, ".destination", unix.ENOTDIR), hint)
}

// throughFile explains the ENOTDIR of a target below something that is no directory.
func throughFile(root int, target string, err error) error {
	if errno(err) != unix.ENOTDIR {
		return err
	}
	for above := path.Dir(target); above != "/"; above = path.Dir(above) {
		fd, openErr := openIn(root, above, 0)
		if openErr != nil {
			continue
		}
		kind, statErr := fileType(fd)
		closeFd(fd)
		if statErr != nil || kind == unix.S_IFDIR {
			break
		}
		return BelowFile(above, kind, err)
	}
	return err
}

// BelowFile is the error of a target below something that is no directory.
func BelowFile(above string, mode uint32, err error) error {
	return fault.Hint(fault.New(fault.MountKind, ".destination", err),
		fmt.Sprintf("%s in the root filesystem is %s: nothing can be below it", above, kindName(mode)))
}
