package libinit

import (
	"fmt"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Affinity sets the CPUs that the process may run on. No CPU means all that its cgroup has.
type Affinity struct{ CPUs []int }

func (s *Affinity) String() string {
	if len(s.CPUs) == 0 {
		return "reset CPU affinity"
	}
	return fmt.Sprintf("set CPU affinity %v", s.CPUs)
}

// maxCPU is the kernel's largest NR_CPUS.
const maxCPU = 8192

// Do calls sched_setaffinity(2), which leaves out the CPUs that the cgroup does not have.
func (s *Affinity) Do(*Env) error {
	mask := bitmask(s.CPUs)
	if len(mask) == 0 {
		mask = make([]uint64, maxCPU/64)
		for i := range mask {
			mask[i] = ^uint64(0)
		}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)*8), uintptr(unsafe.Pointer(&mask[0])))
	if errno != 0 {
		return stepError(s, errno)
	}
	return nil
}

// execAffinity plans where a further process runs from now on (config.md, "execCPUAffinity"). The CPUs that it starts
// on are the parent's affair: see InitialAffinity.
func (p *planner) execAffinity() error {
	c := p.spec.Process.ExecCPUAffinity
	if c == nil {
		p.add("", &Affinity{})
		return nil
	}
	if _, err := InitialAffinity(p.spec.Process); err != nil {
		return err
	}
	cpus, err := parseAffinity("final", c.Final)
	if err == nil && len(cpus) > 0 {
		p.add("process.execCPUAffinity.final", &Affinity{cpus})
	}
	return err
}

// checkAffinity checks the lists for further processes, so that the container is refused and not each of those.
func checkAffinity(process *specs.Process) error {
	if process.ExecCPUAffinity == nil {
		return nil
	}
	if _, err := InitialAffinity(process); err != nil {
		return err
	}
	_, err := parseAffinity("final", process.ExecCPUAffinity.Final)
	return err
}

// InitialAffinity is what has to be done before a further process is moved into the container's cgroup: its init is
// started on these CPUs (config.md, "execCPUAffinity"). nil means that nothing has.
func InitialAffinity(process *specs.Process) (*Affinity, error) {
	if process.ExecCPUAffinity == nil {
		return nil, nil
	}
	cpus, err := parseAffinity("initial", process.ExecCPUAffinity.Initial)
	if err != nil || len(cpus) == 0 {
		return nil, err
	}
	return &Affinity{cpus}, nil
}

func parseAffinity(name, list string) ([]int, error) {
	cpus, err := parseList(list, maxCPU)
	if err != nil {
		return nil, fault.New(fault.Config, "process.execCPUAffinity."+name, fmt.Errorf("invalid CPU list: %w", err))
	}
	return cpus, nil
}
