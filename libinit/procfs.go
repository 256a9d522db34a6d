package libinit

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Proc returns the root of a private, detached procfs of the container's PID namespace. What has to be written
// through /proc (sysctls, security labels) is written through it, since the /proc inside the container may be
// anything that the image wants (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
func (e *Env) Proc() (*os.File, error) {
	if e.proc != nil {
		return e.proc, nil
	}
	fd, err := e.openProc()
	if err != nil {
		return nil, fmt.Errorf("open a private procfs: %w", err)
	}
	e.proc = os.NewFile(uintptr(fd), "proc")
	return e.proc, nil
}

func (e *Env) openProc() (int, error) {
	c := openFilesystem("proc")
	defer c.close()
	fd, err := c.mount(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC)
	if err != unix.EPERM && errno(err) != unix.EPERM {
		return fd, err
	}
	// In a user namespace a procfs may be mounted only while another one is fully visible. Where there is none,
	// take the one at /proc, if it is one: its root, without a link on the way.
	visible, openErr := openIn(int(e.Root.Fd()), "/proc", unix.RESOLVE_NO_SYMLINKS)
	if openErr != nil {
		return -1, err
	}
	defer closeFd(visible)
	if kind, kindErr := filesystem(visible); kindErr != nil || kind != unix.PROC_SUPER_MAGIC || !isProcRoot(visible) {
		return -1, err
	}
	return unix.FcntlInt(uintptr(visible), unix.F_DUPFD_CLOEXEC, 3)
}

// procRootIno is the inode number of the root of every procfs (PROC_ROOT_INO in the kernel).
const procRootIno = 1

func isProcRoot(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Ino == procRootIno
}
