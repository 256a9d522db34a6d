// Package sealed gives a copy of the running binary that what runs in a container can neither change nor reach the
// host's file through: /proc/self/exe of init is the copy (CVE-2019-5736).
package sealed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Self returns a descriptor of a sealed copy of the running binary, to be executed.
//
// hidden is for an init that enters a user namespace in which others already are. Until init has made itself
// undumpable, root of that namespace could trace it; a copy that it may not read makes the kernel forbid that from
// execve on, and give the process's memory to the host's user namespace (execve(2), would_dump, Linux 4.10).
func Self(hidden bool) (*os.File, error) {
	if !hidden {
		if f, err := overlay(); err == nil {
			return f, nil
		}
		// Without privilege, or with a directory that overlayfs cannot take.
	}
	f, err := memfd(hidden)
	if err != nil {
		return nil, fault.New(fault.Internal, "", fmt.Errorf("seal a copy of mydocker: %w", err))
	}
	return f, nil
}

// overlay opens the binary in a private, detached, read-only overlay of its directory: no byte is copied, and no
// write comes through.
func overlay() (*os.File, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	dir, name := filepath.Split(path)
	if strings.ContainsAny(dir, `:\,`) {
		return nil, errors.ErrUnsupported
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fs)
	// An overlay without an upper layer needs two lower ones.
	if err := unix.FsconfigSetString(fs, "lowerdir", filepath.Clean(dir)+":"+otherDir); err != nil {
		return nil, err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, err
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sealed mydocker")
	if err := sameFile(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// otherDir is a second layer that every system has, on a filesystem that overlayfs takes. Nothing of it is opened.
const otherDir = "/dev"

// sameFile makes sure that the file of that name is still the one that runs.
func sameFile(f *os.File) error {
	var self, copied unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &self); err != nil {
		return err
	}
	if err := unix.Fstat(int(f.Fd()), &copied); err != nil {
		return err
	}
	if self.Ino != copied.Ino || self.Size != copied.Size || self.Mtim != copied.Mtim {
		return errors.New("binary was replaced while it ran")
	}
	return nil
}

// memfd copies the binary into memory and seals it.
func memfd(hidden bool) (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	fd, err := unix.MemfdCreate("mydocker", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL {
		// MFD_EXEC is of Linux 6.3; before it every memfd could be executed.
		fd, err = unix.MemfdCreate("mydocker", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sealed mydocker")
	if err := fill(f, self, hidden); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func fill(f, self *os.File, hidden bool) error {
	info, err := self.Stat()
	if err != nil {
		return err
	}
	for left := info.Size(); left > 0; {
		n, err := unix.Sendfile(int(f.Fd()), int(self.Fd()), nil, int(left))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= int64(n)
	}
	mode := uint32(0o555)
	if hidden {
		mode = 0o111
	}
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		return err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return err
}
