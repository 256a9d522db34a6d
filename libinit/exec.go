package libinit

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/seccomp"
)

// Exec makes init the program.
type Exec struct {
	Args      []string
	Env       []string
	SetHome   bool            // HOME is what the step Home has found
	ListenPID bool            // LISTEN_PID is init's (sd_listen_fds(3))
	Filter    *seccomp.Filter // nil without, or when the step Filter has loaded it
}

func (s *Exec) String() string {
	text := "execute " + strings.Join(s.Args, " ")
	if s.Filter != nil {
		text += fmt.Sprintf(" under a seccomp filter (%d instructions)", s.Filter.Len())
	}
	return text
}

// Do returns only when execve fails. Once the filter is loaded nothing is called but execve: a profile may refuse,
// or kill for, whatever else.
func (s *Exec) Do(e *Env) error {
	env := s.Env
	if s.SetHome {
		env = append(env, "HOME="+e.home)
	}
	if s.ListenPID {
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	path, err := unix.BytePtrFromString(e.program)
	if err != nil {
		return fault.New(fault.Config, "process.args[0]", err)
	}
	args, err := syscall.SlicePtrFromStrings(s.Args)
	if err != nil {
		return fault.New(fault.Config, "process.args", err)
	}
	vars, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return fault.New(fault.Config, "process.env", err)
	}
	// What init holds, and what it has been given above the preserved descriptors, ends with it.
	if err := unix.CloseRange(uint(3+e.Preserved), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	// Hooks have been kept from the preserved ones.
	for fd := 3; fd < 3+e.Preserved; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("preserve descriptor %d: %w", fd, err)
		}
	}
	if s.Filter != nil {
		if _, err := s.Filter.Load(); err != nil {
			return loadError(err)
		}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&vars[0])))
	return diagnose(initFiles{}, e.program, errno)
}
