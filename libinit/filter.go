package libinit

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/seccomp"
)

// Filter loads a seccomp filter before the last moment, at which Exec would. There are two reasons: the listener of
// one that notifies an agent has to reach the parent while that is there, and startContainer hooks, which are the
// container's programs, run under the filter.
type Filter struct{ Filter seccomp.Filter }

func (s *Filter) String() string {
	text := fmt.Sprintf("load seccomp filter (%d instructions)", s.Filter.Len())
	if s.Filter.Notify {
		text += " and hand its listener over"
	}
	return text
}

// Do loads the filter on this thread, the one that starts the hooks and becomes the program.
func (s *Filter) Do(e *Env) error {
	// From here on the filter may refuse what a line of the log takes.
	e.traced = false
	if s.Filter.Notify {
		return s.notify(e)
	}
	if _, err := s.Filter.Load(); err != nil {
		return loadError(err)
	}
	return nil
}

// notify lets another thread, which the filter does not hold, talk to the parent: the filter may send the very calls
// that this takes to an agent who is not there yet.
func (s *Filter) notify(e *Env) error {
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
	text := fmt.Errorf("load seccomp filter: %w", err)
	if errors.Is(err, unix.EACCES) {
		text = fault.Hint(text, "without process.noNewPrivileges this takes CAP_SYS_ADMIN")
	}
	return fault.New(fault.Seccomp, "linux.seccomp", text)
}

// planFilter compiles the profile.
func (p *planner) planFilter() (*seccomp.Filter, error) {
	profile := p.spec.Linux.Seccomp
	if profile == nil {
		return nil, nil
	}
	return seccomp.Compile(profile, runtime.GOARCH)
}
