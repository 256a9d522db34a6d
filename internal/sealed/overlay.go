package sealed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// overlay opens the binary in a private, detached, read-only overlay of its directory: no byte is copied, and no
// write comes through, since the file has no inode of the host behind it that overlayfs would write to. The mount has
// no place in any mount namespace: it goes when the last descriptor and process of it are gone.
//
// hidden gives the file a mode of its own, with which nobody but its owner's root can read it: in an upper layer on a
// tmpfs, to which only the mode is copied (metacopy, Linux 4.19).
func overlay(hidden bool) (*Copy, error) {
	c := new(Copy)
	if err := c.overlay(hidden); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Copy) overlay(hidden bool) error {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	dir, name := filepath.Split(path)
	if strings.ContainsAny(dir, `:\,`) {
		return errors.ErrUnsupported
	}
	dir = filepath.Clean(dir)
	var mount int
	if hidden {
		mount, err = c.mountHidden(dir, name)
	} else {
		// Without an upper layer there have to be two lower ones.
		mount, err = c.mount("overlay", unix.MOUNT_ATTR_RDONLY, [2]string{"lowerdir", dir + ":" + otherDir})
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat(mount, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	c.File = os.NewFile(uintptr(fd), fileName)
	return sameFile(c.File)
}

// otherDir is a second layer that every system has, on a filesystem that overlayfs takes. Nothing of it is opened.
const otherDir = "/dev"

// mount makes a detached filesystem, with these options.
func (c *Copy) mount(kind string, attrs int, options ...[2]string) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", kind, err)
	}
	defer unix.Close(fs)
	for _, o := range options {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return -1, fmt.Errorf("set %s of %s: %w", o[0], kind, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("make %s: %w", kind, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err == nil {
		c.mounts = append(c.mounts, mount)
	}
	return mount, err
}

// mountHidden makes an overlay in which the file of that name has mode 0111. Layers on a detached mount are taken
// since Linux 6.15.
func (c *Copy) mountHidden(dir, name string) (int, error) {
	layers, err := c.mount("tmpfs", 0)
	if err != nil {
		return -1, err
	}
	for _, layer := range []string{"upper", "work"} {
		if err := unix.Mkdirat(layers, layer, 0o700); err != nil {
			return -1, err
		}
	}
	base := "/proc/self/fd/" + strconv.Itoa(layers)
	mount, err := c.mount("overlay", 0, [2]string{"lowerdir", dir}, [2]string{"upperdir", base + "/upper"},
		[2]string{"workdir", base + "/work"}, [2]string{"metacopy", "on"})
	if err != nil {
		return -1, err
	}
	if err := unix.Fchmodat(mount, name, hiddenMode, 0); err != nil {
		return -1, err
	}
	return mount, unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// sameFile makes sure that the file of that name is still the one that runs: an upgrade may have replaced it.
func sameFile(f *os.File) error {
	var self, copied unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &self); err != nil {
		return err
	}
	if err := unix.Fstat(int(f.Fd()), &copied); err != nil {
		return err
	}
	if self.Size != copied.Size || self.Mtim != copied.Mtim || copied.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("binary was replaced while it ran")
	}
	return nil
}
