package libinit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// User makes init the user and the groups of the program. Capabilities are kept: the next step sets them.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

func (s *User) String() string {
	return fmt.Sprintf("become user %d, group %d, groups %v", s.UID, s.GID, s.Groups)
}

// Do changes the IDs of this thread alone, which is the one that becomes the program.
func (s *User) Do(e *Env) error {
	s.ownStdio()
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return stepError(s, err)
	}
	if err := s.setGroups(); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(s.GID), uintptr(s.GID), uintptr(s.GID)); errno != 0 {
		return s.explain("process.user.gid", fmt.Errorf("set gid %d: %w", s.GID, errno))
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(s.UID), uintptr(s.UID), uintptr(s.UID)); errno != 0 {
		return s.explain("process.user.uid", fmt.Errorf("set uid %d: %w", s.UID, errno))
	}
	return e.cwd.again(int(e.Root.Fd()))
}

func (s *User) setGroups() error {
	var first unsafe.Pointer
	if len(s.Groups) > 0 {
		first = unsafe.Pointer(&s.Groups[0])
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(s.Groups)), uintptr(first), 0)
	// Who has mapped his own ID alone may not set groups; there is nothing to do when none are asked for.
	if errno == 0 || errno == unix.EPERM && len(s.Groups) == 0 {
		return nil
	}
	err := fmt.Errorf("set groups %v: %w", s.Groups, errno)
	if errno == unix.EPERM {
		err = fault.Hint(fault.New(fault.Process, "process.user.additionalGids", err),
			"groups can be set only where linux.gidMappings has more than the caller's own group")
	}
	return s.explain("process.user.additionalGids", err)
}

func (s *User) explain(field string, err error) error {
	if errors.Is(err, unix.EINVAL) {
		err = fault.Hint(err, "the ID has no mapping in the container's user namespace: see linux.uidMappings and linux.gidMappings")
	}
	return fault.New(fault.Process, field, err)
}

// ownStdio gives the program's standard streams to its user, so that it can open /dev/stdout and its like. What
// everybody may write, cannot be changed, or is a file to be read stays as it is.
func (s *User) ownStdio() {
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Uid == s.UID {
			continue
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFCHR:
			if unix.Major(st.Rdev) == memoryMajor {
				continue
			}
		case unix.S_IFREG:
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
				continue
			}
		case unix.S_IFIFO:
		default:
			continue
		}
		_ = unix.Fchown(fd, int(s.UID), -1)
	}
}

// memoryMajor is the major number of /dev/null and its like.
const memoryMajor = 1

// Home finds out HOME for a process whose environment has none, from the container's /etc/passwd.
type Home struct{ UID uint32 }

func (s *Home) String() string { return fmt.Sprintf("find HOME of user %d", s.UID) }

// Do takes / for a user who is not in the file, and when there is no file.
func (s *Home) Do(e *Env) error {
	e.home = "/"
	passwd, err := see(int(e.Root.Fd()), "/etc/passwd")
	if err != nil {
		return nil
	}
	defer closeFd(passwd.at)
	if kind, err := fileType(passwd.at); err != nil || kind != unix.S_IFREG {
		return nil
	}
	fd, err := passwd.open(unix.O_RDONLY)
	if err != nil {
		return e.warn("find HOME of user %d: open %s in the container: %v", s.UID, passwd.path, err)
	}
	f := os.NewFile(uintptr(fd), passwd.path)
	defer f.Close()
	if home := findHome(io.LimitReader(f, maxPasswd), s.UID); home != "" {
		e.home = home
	}
	return nil
}

// maxPasswd is how much of the container's /etc/passwd is read: it may be of any size.
const maxPasswd = 1 << 20

// findHome looks up the home directory of a user in a passwd(5) file.
func findHome(r io.Reader, uid uint32) string {
	b, err := io.ReadAll(r)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) < 6 {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err == nil && uint32(id) == uid && !strings.ContainsRune(fields[5], 0) {
			return fields[5]
		}
	}
	return ""
}
