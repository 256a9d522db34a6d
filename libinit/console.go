package libinit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Console makes the process's terminal in the container's own devpts, and hands its master to the parent.
type Console struct {
	Rows, Columns uint16 // 0 leaves the size as it is
	Device        bool   // bind it on /dev/console, too
	UID           int    // its owner, devpts(5) being mounted for whoever mounts it
}

func (p *planner) console() error { return p.addConsole(true) }

// execConsole is the terminal of a further process: /dev/console stays init's.
func (p *planner) execConsole() error { return p.addConsole(false) }

func (p *planner) addConsole(device bool) error {
	process := p.spec.Process
	if process == nil {
		return nil
	}
	if !process.Terminal {
		p.add("", &NullStreams{})
		return nil
	}
	c := &Console{Device: device, UID: int(process.User.UID)}
	if size := process.ConsoleSize; size != nil {
		if size.Height > 1<<16-1 || size.Width > 1<<16-1 {
			return fault.New(fault.Config, "process.consoleSize", errors.New("console size: at most 65535 rows and columns"))
		}
		c.Rows, c.Columns = uint16(size.Height), uint16(size.Width)
	}
	p.add("process.terminal", c)
	return nil
}

func (c *Console) String() string {
	if c.Device {
		return "make terminal and bind it on /dev/console"
	}
	return "make terminal"
}

// Do opens master and peer by descriptor alone: a path in /dev/pts may be somebody else's by the time that it is
// opened (CVE-2025-52565).
func (c *Console) Do(e *Env) error {
	if err := c.do(e); err != nil {
		return fault.New(fault.Console, "", fmt.Errorf("make terminal: %w", err))
	}
	return nil
}

func (c *Console) do(e *Env) error {
	master, err := openMaster(e)
	if err != nil {
		return err
	}
	defer master.Close()
	peer, err := c.setUp(int(master.Fd()))
	if err != nil {
		return err
	}
	defer unix.Close(peer)
	if c.Device {
		if err := bindConsole(e, peer); err != nil {
			return fmt.Errorf("bind /dev/console: %w", err)
		}
	}
	if _, err := e.request(MsgConsole, nil, master); err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup3(peer, fd, 0); err != nil {
			return err
		}
	}
	return unix.IoctlSetInt(0, unix.TIOCSCTTY, 0)
}

// ptmx makes a new terminal for each who opens it.
const ptmx = "/dev/pts/ptmx"

// openMaster opens a new terminal of the devpts at /dev/pts.
func openMaster(e *Env) (*os.File, error) {
	s := &seen{root: int(e.Root.Fd()), path: ptmx, resolve: unix.RESOLVE_NO_SYMLINKS}
	var err error
	if s.at, err = openIn(s.root, s.path, s.resolve); err != nil {
		return nil, fault.Hint(fmt.Errorf("open %s: %w", ptmx, err), "a terminal needs a mount of type devpts at /dev/pts")
	}
	defer closeFd(s.at)
	var st unix.Stat_t
	if err := unix.Fstat(s.at, &st); err != nil {
		return nil, err
	}
	kind, err := filesystem(s.at)
	if err != nil {
		return nil, err
	}
	if kind != unix.DEVPTS_SUPER_MAGIC || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) {
		return nil, errors.New(ptmx + " is not the terminal multiplexer")
	}
	fd, err := s.open(unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "ptmx"), nil
}

// setUp unlocks the terminal, sizes it, and opens its peer (ioctl_tty(2), TIOCGPTPEER, Linux 4.13).
func (c *Console) setUp(master int) (peer int, err error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, fmt.Errorf("unlock: %w", err)
	}
	if c.Rows != 0 || c.Columns != 0 {
		size := &unix.Winsize{Row: c.Rows, Col: c.Columns}
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
			return -1, fmt.Errorf("set size: %w", err)
		}
	}
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, fmt.Errorf("open peer: %w", errno)
	}
	peer = int(n)
	// An owner outside the map of the user namespace cannot be set; the terminal then stays root's.
	if err := unix.Fchown(peer, c.UID, -1); err != nil && err != unix.EINVAL && err != unix.EPERM {
		_ = unix.Close(peer)
		return -1, fmt.Errorf("change owner: %w", err)
	}
	return peer, nil
}

func bindConsole(e *Env, peer int) error {
	at, _, err := target{path: "/dev/console", file: true}.open(int(e.Root.Fd()))
	if err != nil {
		return err
	}
	defer unix.Close(at)
	mount, err := cloneTree(peer, "", false)
	if err != nil {
		return err
	}
	defer unix.Close(mount)
	return attach(mount, at)
}
