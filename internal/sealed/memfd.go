package sealed

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/rawfile"
)

// memfd copies the binary into memory and seals it (memfd_create(2)).
func memfd(hidden bool) (*Copy, error) {
	self, err := rawfile.Open("/proc/self/exe", unix.O_RDONLY, 0)
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
	f := os.NewFile(uintptr(fd), fileName)
	if err := fill(f, self, hidden); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Copy{File: f}, nil
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
		mode = hiddenMode
	}
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		return err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return err
}

const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
