package libinit

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// fsContext makes a new instance of a filesystem, fsopen(2).
type fsContext struct {
	fd  int
	err error // the first one; later calls do nothing
}

func openFilesystem(kind string) *fsContext {
	fd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	return &fsContext{fd: fd, err: os.NewSyscallError("fsopen "+kind, err)}
}

// pickFilesystem opens the filesystem of an existing mount to be reconfigured, fspick(2).
func pickFilesystem(mount int) *fsContext {
	fd, err := unix.Fspick(mount, "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	return &fsContext{fd: fd, err: os.NewSyscallError("fspick", err)}
}

func (c *fsContext) close() {
	if c.fd >= 0 {
		closeFd(c.fd)
	}
}

// option sets one option, as "key=value" or "key".
func (c *fsContext) option(option string) {
	if c.err != nil {
		return
	}
	key, value, ok := strings.Cut(option, "=")
	if ok {
		c.str(key, value)
		return
	}
	if err := unix.FsconfigSetFlag(c.fd, key); err != nil {
		c.err = fault.At(".options", c.explain("option "+option, err))
	}
}

func (c *fsContext) str(key, value string) {
	if c.err != nil {
		return
	}
	if err := unix.FsconfigSetString(c.fd, key, value); err != nil {
		c.err = fault.At(".options", c.explain("option "+key+"="+value, err))
	}
}

// mount makes the filesystem and a detached mount of it.
func (c *fsContext) mount(attr uint64) (int, error) {
	if c.err != nil {
		return -1, c.err
	}
	if err := unix.FsconfigCreate(c.fd); err != nil {
		return -1, c.explain("create filesystem", err)
	}
	fd, err := unix.Fsmount(c.fd, unix.FSMOUNT_CLOEXEC, int(attr))
	if err != nil {
		return -1, c.explain("fsmount", err)
	}
	return fd, nil
}

func (c *fsContext) reconfigure() error {
	if c.err != nil {
		return c.err
	}
	if err := unix.FsconfigReconfigure(c.fd); err != nil {
		return c.explain("reconfigure filesystem", err)
	}
	return nil
}

// explain adds the message that the filesystem left about the failure, where it left one: "e tmpfs: Unknown
// parameter 'foo'".
func (c *fsContext) explain(what string, err error) error {
	b := make([]byte, 1024)
	n, readErr := unix.Read(c.fd, b)
	if readErr != nil || n < 2 {
		return fmt.Errorf("%s: %w", what, err)
	}
	text := strings.TrimSpace(string(b[:n]))
	if len(text) > 2 && text[1] == ' ' {
		text = text[2:] // the level: e, w or i
	}
	return fmt.Errorf("%s: %s: %w", what, text, err)
}
