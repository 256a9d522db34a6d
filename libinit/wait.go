package libinit

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
)

// Wait blocks until `start` writes to the exec FIFO. The parent may be gone from here on.
type Wait struct {
	Long bool // memory is given back meanwhile
}

func (*Wait) String() string { return "wait for start" }

// Do closes the socket, which is how the parent learns that the container is created.
func (w *Wait) Do(e *Env) error {
	if err := e.Conn.Close(); err != nil {
		return err
	}
	e.Conn = nil
	gate := int(e.gate.Fd())
	if w.Long {
		entry.Idle()
	}
	// A read and not an open, so that no path of the host is needed inside. Both ends are open in init: the
	// read cannot see the end of file before start has written.
	var b [1]byte
	for {
		n, err := unix.Read(gate, b[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		case b[0] != startByte:
			return errors.New("exec FIFO: unknown byte")
		}
		// What start hears first: nothing at all means that init was dead before.
		if _, err := e.report.Write([]byte{startByte}); err != nil {
			return err
		}
		return e.gate.Close()
	}
}

// startByte is what start writes to the exec FIFO.
const startByte = 's'

// hooksByte tells start that the startContainer hooks have all run: an init that ended before it was in one of them, and
// no program has run. No failure begins with it: its first byte is the length of its text.
const hooksByte = 0

// HooksDone cuts off what init reports after its startContainer hooks, and tells whether it was there.
func HooksDone(report []byte) ([]byte, bool) {
	if len(report) > 0 && report[0] == hooksByte {
		return report[1:], true
	}
	return report, false
}

// StartByte is the message of start to init.
func StartByte() []byte { return []byte{startByte} }
