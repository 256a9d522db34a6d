package main

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"mydocker/internal/container"
	"mydocker/internal/entry"
	"mydocker/internal/rawfile"
)

// freeThreads gives the threads back what the entry point has taken, as what they start inherits it: their CPUs, and their
// timer slack. Only the runtime's monitor thread keeps its late timers: it looks for goroutines that hold a processor for long,
// of which a short command has none.
func freeThreads() {
	if entry.Slack() > 0 {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // the thread's default is that of its start
	}
	slack := []byte(strconv.FormatInt(entry.Slack(), 10))
	known := entry.Slack() > 0 && container.ProcIsOurs()
	for i, thread := range threads() { // the main thread, which is not among them, has its CPUs
		entry.Unpin(thread)
		if monitor := i == 0; !monitor && known {
			_ = rawfile.Write("/proc/"+strconv.Itoa(thread)+"/timerslack_ns", slack)
		}
	}
}

// threads are the numbers of the process's further threads, in the order of their age. As a rule they follow that of the first:
// to list /proc/self/task takes ten times as long as to ask for a few.
func threads() []int {
	pid := os.Getpid()
	n, _ := runtime.ThreadCreateProfile(nil)
	found := make([]int, 0, 8)
	const between = 8 // threads and processes of others
	for id := pid + 1; len(found) < n-1 && id < pid+n+between; id++ {
		if unix.Tgkill(pid, id, 0) == nil {
			found = append(found, id)
		}
	}
	if len(found) == n-1 || !container.ProcIsOurs() {
		return found
	}
	return listThreads()
}

func listThreads() []int {
	fd, err := unix.Open("/proc/self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var entries [1024]byte
	n, err := unix.Getdents(fd, entries[:])
	if err != nil {
		return nil
	}
	_, _, names := unix.ParseDirent(entries[:n], -1, nil)
	var found []int
	for _, name := range names {
		if id, err := strconv.Atoi(name); err == nil && id != os.Getpid() {
			found = append(found, id)
		}
	}
	return found
}
