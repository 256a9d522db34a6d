package spawn

import (
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Holder is a process that does nothing: it keeps its place, a cgroup say, from being empty. Its memory is a copy of the
// caller's, of which hardly a page is its own: if it shared the caller's, the kernel could kill both for want of memory
// in the holder's cgroup. It ends with the caller, or when it is released.
type Holder struct {
	Pid    int
	spawn  *spawn
	closed bool
}

// Hold starts one.
func Hold() (*Holder, error) {
	s, err := (&Command{OwnMemory: true}).prepare()
	if err != nil {
		return nil, err
	}
	s.about = fault.Process
	if s.theirs > 0 {
		s.call("close descriptors", unix.SYS_CLOSE_RANGE, 0, s.theirs-1, 0)
	}
	s.call("close descriptors", unix.SYS_CLOSE_RANGE, s.theirs+1, uintptr(^uint32(0)), 0)
	s.wait() // the end of the caller is the only thing to come
	if err := s.clone(0); err != nil {
		s.close()
		return nil, err
	}
	return &Holder{Pid: s.process.Pid, spawn: s}, nil
}

// Release ends it, and returns when it is gone. A nil Holder holds nothing.
func (h *Holder) Release() {
	if h == nil || h.closed {
		return
	}
	h.closed = true
	h.spawn.process.Kill()
	_ = h.spawn.process.Pidfd.Close()
	h.spawn.close()
}
