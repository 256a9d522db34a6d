package spawn

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A holder is there until it is released, holds no file of the caller's, and is waited for.
func TestHold(t *testing.T) {
	h, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.Pid, 0); err != nil {
		t.Error("the holder has ended:", err)
	}
	dir := "/proc/" + strconv.Itoa(h.Pid) + "/fd"
	left := eventually(t, func() bool {
		entries, err := os.ReadDir(dir)
		return err == nil && len(entries) == 1
	})
	if !left {
		t.Error("it holds more than its end of the socket")
	}
	h.Release()
	if err := unix.Kill(h.Pid, 0); err != unix.ESRCH {
		t.Errorf("after Release: %v", err)
	}
	h.Release()
	(*Holder)(nil).Release()
}

// eventually gives a condition time to come true.
func eventually(t *testing.T, condition func() bool) bool {
	t.Helper()
	for range 1000 {
		if condition() {
			return true
		}
		_, _ = unix.Poll(nil, 10)
	}
	return false
}
