package container

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/logs"
)

// explainEnd says when it was a limit that has ended the container: a shell's 137 or 139 does not.
func (c *Container) explainEnd(status unix.WaitStatus, p *specs.Process) {
	if !status.Signaled() {
		return
	}
	if err := endedByRlimit(c.rec.ID, status.Signal(), p); err != nil {
		logs.Warn(err, "run")
		return
	}
	cg := c.cgroup()
	if cg == nil || status.Signal() != unix.SIGKILL {
		return
	}
	if killed, err := cg.OOMKilled(); err == nil && killed {
		err := fmt.Errorf("container %s was killed for want of memory: it reached linux.resources.memory.limit", c.rec.ID)
		logs.Warn(fault.Hint(fault.New(fault.MemoryLow, "linux.resources.memory.limit", err), "give the container more, or make the program use less"), "run")
	}
}

// leastSpace is the address space, in bytes, below which it is the limit that is to be suspected: the kernel answers
// with a signal where there is too little for a program's image or its stack.
const leastSpace = 8 << 20

// endedByRlimit is why a limit of the process may have ended it with a signal, nil when none can.
func endedByRlimit(id string, signal unix.Signal, p *specs.Process) error {
	if p == nil {
		return nil
	}
	for i, l := range p.Rlimits {
		var suspect bool
		switch l.Type {
		case "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_STACK":
			suspect = (signal == unix.SIGSEGV || signal == unix.SIGKILL) && l.Soft < leastSpace
		case "RLIMIT_CPU":
			suspect = signal == unix.SIGXCPU || signal == unix.SIGKILL && l.Soft == l.Hard
		}
		if suspect {
			err := fmt.Errorf("container %s was ended by signal %s, perhaps for its limit %s, %d", id, unix.SignalName(signal), l.Type, l.Soft)
			return fault.Hint(fault.New(fault.Process, fmt.Sprintf("process.rlimits[%d]", i), err), "raise the limit, or leave it out")
		}
	}
	return nil
}
