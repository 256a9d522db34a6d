package libinit

import (
	"fmt"
	"os"
	"runtime"

	"mydocker/internal/fault"
	"mydocker/internal/seccomp"
)

// Filter loads a seccomp filter that notifies an agent, before the container counts as created: the agent's
// descriptor has to reach the parent while that is there. Every other filter is loaded by Exec.
type Filter struct{ Filter seccomp.Filter }

func (s *Filter) String() string {
	return fmt.Sprintf("load seccomp filter (%d instructions) and hand its listener over", s.Filter.Len())
}

// Do loads the filter on this thread and lets another one, which it does not hold, talk to the parent: the filter may
// send the very calls that this takes to an agent who is not there yet.
func (s *Filter) Do(e *Env) error {
	listener := make(chan int)
	done := make(chan error)
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(started)
		fd := <-listener
		if fd < 0 {
			done <- nil
			return
		}
		f := os.NewFile(uintptr(fd), "seccomp listener")
		defer f.Close()
		_, err := e.request(MsgListener, nil, f)
		done <- err
	}()
	<-started
	fd, err := s.Filter.Load()
	if err != nil {
		fd = -1
	}
	listener <- fd
	if e := <-done; err == nil {
		return e
	}
	return loadError(err)
}

func loadError(err error) error {
	return fault.New(fault.Seccomp, "linux.seccomp", fmt.Errorf("load seccomp filter: %w", err))
}

// planFilter compiles the profile. A filter that notifies is a step of its own; another one is Exec's.
func (p *planner) planFilter() (*seccomp.Filter, error) {
	profile := p.spec.Linux.Seccomp
	if profile == nil {
		return nil, nil
	}
	filter, err := seccomp.Compile(profile, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	if filter.Notify {
		p.add("linux.seccomp", &Filter{*filter})
		return nil, nil
	}
	return filter, nil
}
