package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/jsondoc"
	"mydocker/internal/logs"
	"mydocker/internal/rawfile"
	"mydocker/internal/signals"
)

// End is how a container has ended, as far as that is known: who is not the parent of its process hears of the exit code
// only while nobody has waited for it, and of kills for want of memory only while the cgroup is there.
type End struct {
	ExitCode  *int       `json:"exitCode,omitempty"`  // 128+n when signal n ended it
	OOMKilled *bool      `json:"oomKilled,omitempty"` // the kernel has killed in the container for want of memory
	Ended     *time.Time `json:"ended,omitempty"`     // when it was seen

	// MemoryLimit is the limit of memory, in bytes, of a container with OOMKilled; 0 without one.
	MemoryLimit uint64 `json:"memoryLimit,omitempty"`
}

// String says it in words.
func (e *End) String() string {
	var parts []string
	if e.ExitCode != nil {
		parts = append(parts, exitWords(*e.ExitCode))
	}
	if e.OOMKilled != nil && *e.OOMKilled {
		parts = append(parts, "killed for want of memory: "+e.reached())
	}
	return strings.Join(parts, ", ")
}

func exitWords(code int) string {
	words := fmt.Sprintf("exit code %d", code)
	if name := unix.SignalName(unix.Signal(code - 128)); code > 128 && name != "" {
		words += " (" + name + ")"
	}
	return words
}

// reached names the limit.
func (e *End) reached() string {
	if e.MemoryLimit == 0 {
		return "the host, or a cgroup above, has no more"
	}
	return fmt.Sprintf("it reached linux.resources.memory.limit, %d bytes", e.MemoryLimit)
}

// endWith is the end with an exit code, nil if that is not known, and what the cgroup knows.
func (c *Container) endWith(code *int) *End {
	e := &End{ExitCode: code}
	oom := c.oom
	if cg := c.cgroup(); cg != nil && oom == nil {
		oom = cg.OOM
	}
	if oom == nil {
		return e
	}
	if kills, limit, err := oom(); err == nil {
		killed := kills > 0
		if e.OOMKilled = &killed; killed {
			e.MemoryLimit = limit
		}
	}
	return e
}

// followOOM is called before there is a process that could be killed: what the cgroup knows may go with its end.
func (c *Container) followOOM() {
	if cg := c.cgroup(); cg != nil {
		c.oom = cg.FollowOOM()
	}
}

// sawEnd is called by who has waited for init in the foreground. It says when it was the memory that has ended the
// container, which a shell's 137 does not, and notes the end of a container that stays.
func (c *Container) sawEnd(status unix.WaitStatus, stays bool) error {
	code := signals.ExitCode(status)
	if code == 0 && !stays {
		return nil
	}
	e := c.endWith(&code)
	if code != 0 && e.OOMKilled != nil && *e.OOMKilled {
		c.warnOfMemory(e, status)
	}
	if !stays {
		return nil
	}
	return c.ifThere(func() error { return c.noteEnd(e) })
}

func (c *Container) warnOfMemory(e *End, status unix.WaitStatus) {
	who := "a process of container "
	if status.Signaled() && status.Signal() == unix.SIGKILL {
		who = "container "
	}
	err := fault.New(fault.System, "", fmt.Errorf("%s%s was killed for want of memory: %s", who, c.rec.ID, e.reached()))
	if e.MemoryLimit != 0 {
		err = fault.Hint(&fault.Error{Code: fault.MemoryLow, Field: "linux.resources.memory.limit", Err: errors.Unwrap(err)}, "give the container more memory, or its program less to do")
	}
	logs.Warn(err, "run")
}

// noteEnd keeps the end for `state`. The caller holds the lock.
func (c *Container) noteEnd(e *End) error {
	now := time.Now().UTC()
	e.Ended = &now
	if err := c.writeFile(endFile, jsondoc.Encode(e)); err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	return nil
}

// end is what is known of how the container has ended, nil if nothing is.
func (c *Container) end() *End {
	if b, err := rawfile.Read(c.path(endFile)); err == nil {
		var e End
		if jsondoc.Decode(b, &e) == nil {
			return &e
		}
	}
	e := c.endWith(c.zombieCode())
	if e.ExitCode == nil && e.OOMKilled == nil {
		return nil
	}
	return e
}

// zombieCode is the exit code of an init that its parent has not waited for yet, nil where that cannot be known:
// others than who may trace the process read 0 (proc_pid_stat(5), field 52).
func (c *Container) zombieCode() *int {
	if uid := os.Geteuid(); uid != 0 && uid != c.rec.Owner {
		return nil
	}
	b, err := rawfile.Read("/proc/" + strconv.Itoa(c.rec.Init.Pid) + "/stat")
	if err != nil {
		return nil
	}
	const start, exitCode = 22 - 3, 52 - 3 // the fields behind the name are counted from 3
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) <= exitCode || fields[start] != strconv.FormatUint(c.rec.Init.Start, 10) {
		return nil
	}
	status, err := strconv.Atoi(fields[exitCode])
	if err != nil {
		return nil
	}
	code := signals.ExitCode(unix.WaitStatus(status))
	return &code
}

// reapedCode is the exit code of a process that has been waited for, by a descriptor that was opened before; nil before
// Linux 6.15 (PIDFD_INFO_EXIT of ioctl_pidfd(2)).
func reapedCode(pidfd *os.File) *int {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, pidfd.Fd(), unix.PIDFD_GET_INFO, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return nil
	}
	code := signals.ExitCode(unix.WaitStatus(info.Exit_code))
	return &code
}

// sawGone notes the end of a container whose init another process is the parent of.
func (c *Container) sawGone(pidfd *os.File) error {
	code := c.zombieCode()
	if code == nil {
		code = reapedCode(pidfd)
	}
	if code == nil {
		return nil
	}
	return c.ifThere(func() error {
		if _, err := os.Stat(c.path(endFile)); err == nil {
			return nil
		}
		return c.noteEnd(c.endWith(code))
	})
}
