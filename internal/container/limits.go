package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
	"mydocker/internal/fault"
	"mydocker/internal/rawfile"
	"mydocker/internal/spawn"
)

// rlimits are the resource limits of setrlimit(2) by their names in config.json. The numbers are the same on all
// architectures that Go builds for but MIPS.
func rlimits() map[string]int {
	return map[string]int{
		"RLIMIT_CPU": 0, "RLIMIT_FSIZE": 1, "RLIMIT_DATA": 2, "RLIMIT_STACK": 3, "RLIMIT_CORE": 4, "RLIMIT_RSS": 5,
		"RLIMIT_NPROC": 6, "RLIMIT_NOFILE": 7, "RLIMIT_MEMLOCK": 8, "RLIMIT_AS": 9, "RLIMIT_LOCKS": 10,
		"RLIMIT_SIGPENDING": 11, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
	}
}

// rlimit is a limit of the process, and the field that it comes from.
type rlimit struct {
	which       int
	name, field string
	limit       unix.Rlimit
}

// rlimitsOf lists the limits of the program. Without a limit of its own, the number of open files, which comes last, is
// what the runtime was started with.
func rlimitsOf(p *specs.Process) ([]rlimit, error) {
	open := rlimit{which: unix.RLIMIT_NOFILE, name: "RLIMIT_NOFILE"}
	open.limit.Cur, open.limit.Max = entry.OpenFiles()
	if p == nil {
		return []rlimit{open}, nil
	}
	list := make([]rlimit, 0, len(p.Rlimits)+1)
	for i, l := range p.Rlimits {
		field := fmt.Sprintf("process.rlimits[%d]", i)
		which, ok := rlimits()[l.Type]
		if !ok {
			return nil, fault.New(fault.Config, field+".type", fmt.Errorf("wrong rlimit value: %s", l.Type))
		}
		r := rlimit{which, l.Type, field, unix.Rlimit{Cur: l.Soft, Max: l.Hard}}
		if which == unix.RLIMIT_NOFILE {
			open = r
			continue
		}
		list = append(list, r)
	}
	return append(list, open), nil
}

// setRlimits sets the program's limits on init from outside: the runtime may be allowed to raise what init, in a
// user namespace, is not.
func setRlimits(pid int, p *specs.Process) error {
	list, err := rlimitsOf(p)
	if err != nil {
		return err
	}
	for i := range list {
		l := &list[i]
		if err := setRlimit(pid, l.which, l.name, &l.limit); err != nil {
			return fault.At(l.field, err)
		}
	}
	return nil
}

func setRlimit(pid, which int, name string, limit *unix.Rlimit) error {
	if err := unix.Prlimit(pid, which, limit, nil); err != nil {
		return RlimitError(name, limit, err)
	}
	return nil
}

// RlimitNumber is the number of a limit by its name in config.json.
func RlimitNumber(name string) (number int, known bool) {
	number, known = rlimits()[name]
	return number, known
}

// RlimitError is the error of a limit that cannot be set.
func RlimitError(name string, limit *unix.Rlimit, err error) error {
	err = fmt.Errorf("set %s to soft %d, hard %d: %w", name, limit.Cur, limit.Max, err)
	return fault.Hint(fault.New(fault.Process, "", err), "a hard limit above the caller's needs CAP_SYS_RESOURCE")
}

// setOOMScore sets how soon the kernel kills the process when memory runs out (proc_pid_oom_score_adj(5)). Lowering
// it takes CAP_SYS_RESOURCE: without root, a value that is not allowed is left as the caller has it.
func setOOMScore(pid, score int, rootless bool) error {
	err := rawfile.Write("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte(strconv.Itoa(score)))
	if err == nil || rootless && errors.Is(err, os.ErrPermission) {
		return nil
	}
	return fault.New(fault.Process, "process.oomScoreAdj", fmt.Errorf("set oom_score_adj to %d: %w", score, errors.Unwrap(err)))
}

// startScored starts init with the oom score of the configured process, if it has one. The kernel gives a score to all
// processes that share a memory, so it is set after execve, or before it in a memory of its own where the files of
// init in /proc, which is not dumpable, are not the caller's.
func startScored(c *spawn.Command, process *specs.Process, rootless bool) (*spawn.Process, error) {
	if process == nil || process.OOMScoreAdj == nil {
		return c.Start()
	}
	score := *process.OOMScoreAdj
	if rootless {
		placed := c.Placed
		c.OwnMemory = true
		c.Placed = func(pid int) error {
			if err := placed(pid); err != nil {
				return err
			}
			return setOOMScore(pid, score, true)
		}
		return c.Start()
	}
	p, err := c.Start()
	if err != nil {
		return nil, err
	}
	if err := setOOMScore(p.Pid, score, false); err != nil {
		p.Kill()
		_ = p.Pidfd.Close()
		return nil, err
	}
	return p, nil
}

// timeOffsets is what timens_offsets takes (time_namespaces(7)).
func timeOffsets(offsets map[string]specs.LinuxTimeOffset) []byte {
	var b strings.Builder
	for clock, o := range offsets {
		fmt.Fprintf(&b, "%s %d %d\n", clock, o.Secs, o.Nanosecs)
	}
	return []byte(b.String())
}
