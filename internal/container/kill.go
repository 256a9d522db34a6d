package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/rawfile"
)

// Signal sends a signal to init, or, with all or when the container shares another's pid namespace and init is to be
// killed, to all its processes.
func (c *Container) Signal(sig unix.Signal, all bool) error {
	status, err := c.status()
	if err != nil {
		return err
	}
	if status == Stopped {
		if all {
			return c.signalRest(sig, status)
		}
		if c.rec.SharedPid && sig == unix.SIGKILL && c.hasProcesses() {
			return c.signalRest(sig, status)
		}
		return fault.New(fault.State, "", ErrNotRunning)
	}
	if all || c.rec.SharedPid && sig == unix.SIGKILL {
		if c.cgroup() != nil {
			return c.signalRest(sig, status)
		}
	}
	return c.signalInit(sig, status)
}

func (c *Container) signalInit(sig unix.Signal, status string) error {
	init, err := c.rec.Init.open()
	if err == nil {
		defer init.Close()
		err = unix.PidfdSendSignal(int(init.Fd()), sig, nil, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return fault.New(fault.State, "", ErrNotRunning)
	}
	if err != nil {
		return fault.New(fault.Permission, "", fmt.Errorf("signal init: %w", err))
	}
	// On cgroup v1 a frozen process does not even die.
	if sig == unix.SIGKILL && status == Paused {
		if cg := c.cgroup(); cg != nil {
			return cg.Thaw()
		}
	}
	return nil
}

// signalRest signals every process in the cgroup. A signal other than SIGKILL freezes the cgroup for a moment, which must not
// meet a pause. Before the start another command may have the lock for long, and there is no pause to be met.
func (c *Container) signalRest(sig unix.Signal, status string) error {
	cg := c.cgroup()
	if cg == nil {
		return nil
	}
	kill := func() error { return cg.Kill(sig) }
	var err error
	if status == Running && sig != unix.SIGKILL && sig != 0 {
		err = c.locked(kill)
	} else {
		err = kill()
	}
	if err != nil {
		return fault.New(fault.Cgroup, "", err)
	}
	return nil
}

func (c *Container) hasProcesses() bool {
	cg := c.cgroup()
	if cg == nil {
		return false
	}
	pids, err := cg.Pids()
	return err == nil && len(pids) > 0
}

// killed tells whether a SIGKILL is pending on the process: its end is under way.
func (p process) killed() bool {
	status := p.status()
	for _, name := range []string{"ShdPnd", "SigPnd"} {
		pending, err := strconv.ParseUint(status[name], 16, 64)
		if err == nil && pending&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return status == nil
}

// traced tells whether another process traces it, as a criu that saves it does.
func (p process) traced() bool {
	tracer := p.status()["TracerPid"]
	return tracer != "" && tracer != "0"
}

// status reads /proc/PID/status (proc_pid_status(5)); it is nil for a process that is gone.
func (p process) status() map[string]string {
	b, err := rawfile.Read("/proc/" + strconv.Itoa(p.Pid) + "/status")
	if err != nil {
		return nil
	}
	status := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status
}

// Pids are the container's processes, in no order.
func (c *Container) Pids() ([]int, error) {
	status, err := c.status()
	if err != nil || status == Stopped && !c.rec.SharedPid {
		return nil, err
	}
	cg := c.cgroup()
	if cg == nil {
		return []int{c.rec.Init.Pid}, nil
	}
	return cg.Pids()
}

// Pause freezes the container's processes.
func (c *Container) Pause() error {
	return c.locked(func() error {
		status, err := c.status()
		if err != nil {
			return err
		}
		if status != Running && status != Created {
			return fault.New(fault.State, "", fmt.Errorf("container not running or created: %s", status))
		}
		cg, err := c.needCgroup()
		if err != nil {
			return err
		}
		return cg.Freeze()
	})
}

// Resume thaws them.
func (c *Container) Resume() error {
	return c.locked(func() error {
		status, err := c.status()
		if err != nil {
			return err
		}
		if status != Paused {
			return fault.New(fault.State, "", ErrNotPaused)
		}
		cg, err := c.needCgroup()
		if err != nil {
			return err
		}
		return cg.Thaw()
	})
}
