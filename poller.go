package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
	"mydocker/internal/fault"
)

// fewFiles is a limit of open files below which the poller is looked after. No command needs so many.
const fewFiles = 64

// awakePoller brings package os's poller to life where descriptors are few. It comes with the first file that needs it, and
// a Go program that has no descriptors left for it then ends with the trace of a crash (runtime.netpollinit).
func awakePoller() error {
	limit, _ := entry.OpenFiles()
	if limit >= fewFiles {
		return nil
	}
	// One for the file, two for the poller.
	var free [3]int
	n := 0
	var err error
	for ; n < len(free) && err == nil; n++ {
		free[n], err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	for _, fd := range free[:n] {
		_ = unix.Close(fd)
	}
	if err != nil {
		err = fault.New(fault.System, "", fmt.Errorf("open files: %w", err))
		return fault.Hint(err, fmt.Sprintf("the limit of open files is %d: see ulimit -n", limit))
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		return fault.New(fault.System, "", err)
	}
	return f.Close()
}
