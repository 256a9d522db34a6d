package container

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/logs"
)

// leastSpace is the address space, in bytes, below which it is the limit that is to be suspected: the kernel answers
// with a signal where there is too little for a program's image or its stack.
const leastSpace = 8 << 20

// suspectRlimit says which limit of the process may have ended it with a signal: a shell's 139 does not.
func (c *Container) suspectRlimit(status unix.WaitStatus, p *specs.Process) {
	if !status.Signaled() || p == nil {
		return
	}
	signal := status.Signal()
	for i, l := range p.Rlimits {
		var suspect bool
		switch l.Type {
		case "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_STACK":
			suspect = (signal == unix.SIGSEGV || signal == unix.SIGKILL) && l.Soft < leastSpace
		case "RLIMIT_CPU":
			suspect = signal == unix.SIGXCPU || signal == unix.SIGKILL && l.Soft == l.Hard
		}
		if suspect {
			err := fmt.Errorf("container %s was ended by signal %s, perhaps for its limit %s, %d", c.rec.ID, unix.SignalName(signal), l.Type, l.Soft)
			logs.Warn(fault.Hint(fault.New(fault.Process, fmt.Sprintf("process.rlimits[%d]", i), err), "raise the limit, or leave it out"), "run")
		}
	}
}
