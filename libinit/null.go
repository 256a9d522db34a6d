package libinit

import (
	"fmt"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// NullStreams replaces standard streams that are the host's /dev/null by the container's. Root in the container could
// change the mode of the host's file through them, and criu could not say where they lead.
type NullStreams struct{}

func (*NullStreams) String() string { return "take the container's /dev/null for the host's" }

// Do leaves the streams alone where the container has no /dev/null.
func (*NullStreams) Do(e *Env) error {
	var null *seen
	defer func() {
		if null != nil {
			closeFd(null.at)
		}
	}()
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
			continue
		}
		if null == nil {
			var err error
			if null, err = seeNull(int(e.Root.Fd())); err != nil {
				return nil
			}
		}
		if err := null.replace(fd); err != nil {
			return fault.New(fault.Process, "", fmt.Errorf("open %s: %w", nullDevice, err))
		}
	}
	return nil
}

// replace opens it in place of fd, for what fd is open.
func (s *seen) replace(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	opened, err := s.open(flags & (unix.O_ACCMODE | unix.O_APPEND))
	if err != nil {
		return err
	}
	defer closeFd(opened)
	return unix.Dup3(opened, fd, 0)
}
