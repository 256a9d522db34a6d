package libinit

import (
	"errors"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Scheduler sets the scheduling policy (sched_setattr(2), Linux 3.14).
type Scheduler struct {
	Name                      string
	Policy                    uint32
	Flags                     uint64
	Nice                      int32
	Priority                  uint32
	Runtime, Deadline, Period uint64
}

func schedPolicies() map[specs.LinuxSchedulerPolicy]uint32 {
	return map[specs.LinuxSchedulerPolicy]uint32{
		specs.SchedOther: unix.SCHED_NORMAL, specs.SchedFIFO: unix.SCHED_FIFO, specs.SchedRR: unix.SCHED_RR,
		specs.SchedBatch: unix.SCHED_BATCH, specs.SchedISO: 4, specs.SchedIdle: unix.SCHED_IDLE,
		specs.SchedDeadline: unix.SCHED_DEADLINE,
	}
}

func schedFlags() map[specs.LinuxSchedulerFlag]uint64 {
	return map[specs.LinuxSchedulerFlag]uint64{
		specs.SchedFlagResetOnFork: unix.SCHED_FLAG_RESET_ON_FORK, specs.SchedFlagReclaim: unix.SCHED_FLAG_RECLAIM,
		specs.SchedFlagDLOverrun: unix.SCHED_FLAG_DL_OVERRUN, specs.SchedFlagKeepPolicy: unix.SCHED_FLAG_KEEP_POLICY,
		specs.SchedFlagKeepParams: unix.SCHED_FLAG_KEEP_PARAMS, specs.SchedFlagUtilClampMin: unix.SCHED_FLAG_UTIL_CLAMP_MIN,
		specs.SchedFlagUtilClampMax: unix.SCHED_FLAG_UTIL_CLAMP_MAX,
	}
}

func (p *planner) scheduler() error {
	c := p.spec.Process.Scheduler
	if c == nil {
		return nil
	}
	s, err := newScheduler(c)
	if err != nil {
		return err
	}
	if r := p.spec.Linux.Resources; s.Policy == unix.SCHED_DEADLINE && r != nil && r.CPU != nil && r.CPU.Cpus != "" {
		// The kernel takes a deadline only from who may run on every CPU of its root domain.
		return fault.New(fault.Config, "process.scheduler", errors.New("process scheduler can't be used together with AllowedCPUs"))
	}
	p.add("process.scheduler", s)
	return nil
}

func newScheduler(c *specs.Scheduler) (*Scheduler, error) {
	policy, ok := schedPolicies()[c.Policy]
	if !ok {
		return nil, fault.Expect("one of "+sortedNames(schedPolicies()), fault.New(fault.Config, "process.scheduler.policy",
			fmt.Errorf("invalid scheduler policy: %q is none of %s", c.Policy, sortedNames(schedPolicies()))))
	}
	s := &Scheduler{
		Name: string(c.Policy), Policy: policy, Nice: c.Nice, Priority: uint32(c.Priority),
		Runtime: c.Runtime, Deadline: c.Deadline, Period: c.Period,
	}
	for i, f := range c.Flags {
		flag, ok := schedFlags()[f]
		if !ok {
			return nil, fault.New(fault.Config, fmt.Sprintf("process.scheduler.flags[%d]", i),
				fmt.Errorf("invalid scheduler flag: %q is none of %s", f, sortedNames(schedFlags())))
		}
		s.Flags |= flag
	}
	return s, s.check(c)
}

// check refuses what the policy does not take: the kernel would ignore some of it.
func (s *Scheduler) check(c *specs.Scheduler) error {
	realTime := s.Policy == unix.SCHED_FIFO || s.Policy == unix.SCHED_RR
	switch {
	case c.Nice < -20 || c.Nice > 19:
		return fault.New(fault.Config, "process.scheduler.nice", fmt.Errorf("invalid scheduler.nice: %d is not in -20…19", c.Nice))
	case c.Priority != 0 && !realTime:
		return fault.New(fault.Config, "process.scheduler.priority",
			errors.New("scheduler.priority can only be specified for SchedFIFO or SchedRR policy"))
	case realTime && (c.Priority < 1 || c.Priority > 99):
		return fault.New(fault.Config, "process.scheduler.priority", fmt.Errorf("invalid scheduler.priority: %d is not in 1…99", c.Priority))
	case s.Policy != unix.SCHED_DEADLINE && (c.Runtime != 0 || c.Deadline != 0 || c.Period != 0):
		return fault.New(fault.Config, "process.scheduler",
			errors.New("scheduler runtime/deadline/period can only be specified for SchedDeadline policy"))
	}
	return nil
}

func (s *Scheduler) String() string { return "set scheduler " + s.Name }

// Do calls sched_setattr(2) for this thread, the one that becomes the program.
func (s *Scheduler) Do(*Env) error {
	attr := &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: s.Policy, Flags: s.Flags, Nice: s.Nice, Priority: s.Priority,
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	err := stepError(s, unix.SchedSetAttr(0, attr, 0))
	if errors.Is(err, unix.EPERM) && s.Policy != unix.SCHED_NORMAL {
		err = fault.Hint(err, "a real-time policy needs CAP_SYS_NICE, and on cgroup v1 linux.resources.cpu.realtimeRuntime")
	}
	return err
}

// IOPriority sets the class and level of the process's I/O (ioprio_set(2)).
type IOPriority struct {
	Name  string
	Class uint32
	Level uint32
}

func ioClasses() map[specs.IOPriorityClass]uint32 {
	return map[specs.IOPriorityClass]uint32{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}
}

func (p *planner) ioPriority() error {
	c := p.spec.Process.IOPriority
	if c == nil {
		return nil
	}
	class, ok := ioClasses()[c.Class]
	if !ok {
		return fault.Expect("one of "+sortedNames(ioClasses()), fault.New(fault.Config, "process.ioPriority.class",
			fmt.Errorf("invalid ioPriority.class: %q is none of %s", c.Class, sortedNames(ioClasses()))))
	}
	if c.Priority < 0 || c.Priority > 7 {
		return fault.New(fault.Config, "process.ioPriority.priority", fmt.Errorf("invalid ioPriority.priority: %d is not in 0…7", c.Priority))
	}
	p.add("process.ioPriority", &IOPriority{Name: string(c.Class), Class: class, Level: uint32(c.Priority)})
	return nil
}

func (s *IOPriority) String() string { return fmt.Sprintf("set I/O priority %s %d", s.Name, s.Level) }

// Do calls ioprio_set(IOPRIO_WHO_PROCESS, 0, …).
func (s *IOPriority) Do(*Env) error {
	const whoProcess, classShift = 1, 13
	_, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(s.Class<<classShift|s.Level))
	if errno != 0 {
		return stepError(s, errno)
	}
	return nil
}
