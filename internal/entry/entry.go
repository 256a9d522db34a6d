// Package entry is what the program does before the Go runtime and package os do something else.
//
// The Go runtime reads /proc/self/cgroup and /proc/self/mountinfo at its start, and starts threads for work that a short
// command does not have. So the program has an entry point of its own (entry_GOARCH.s), which the Makefile names to the
// linker: it takes the permission to open files from the runtime, says GOMAXPROCS=1 in the environment, and makes timers
// late, since the runtime's monitor thread would wake up every 20 µs. It has the runtime start on one CPU: its first threads
// hand over to each other several times, and to wake a CPU that sleeps takes longer than what they do. It has the kernel keep
// the heap in small pages: a short command needs a quarter of a huge one, which would have to be cleared whole, and which an init
// that waits would keep. The runtime asks for the heap by the mmap of C, which it has for sanitizers, and which is ours until then.
// By sigaction in the same way it asks for the handlers of two signals and installs 26: for real-time signals, too, that would be
// more than a hundred calls. Memory is not profiled, which would begin with the first allocation,
// before the linker's word that nobody reads the profile. Without all this the program works, slower.
package entry

import (
	"runtime"
	"unsafe"
)

// rlimit is struct rlimit64.
type rlimit struct{ cur, max uint64 }

// cpuSet is a set of CPUs, as large as that of glibc. On a machine with more the kernel refuses it, and nothing is pinned.
type cpuSet [16]uint64

const max = ^uint64(0)

// handled are the signals, a bit each, whose handlers the runtime may install: all but those of real-time signals, 34 to 64,
// which package os/signal cannot catch then.
var handled uint64 = 1<<34 - 2 //nolint:unused // entry_GOARCH.s

// What the entry point leaves and uses.
var (
	limit    rlimit                    // of open files, as the program was started with
	none     = rlimit{cur: 3}          //nolint:unused // entry_GOARCH.s: enough for the runtime to open /dev/null in place of a standard descriptor that is closed
	lowered  bool                      // none is in force
	inserted bool                      // maxprocs is in the environment
	slack    int64                     // timer slack that the program was started with, in nanoseconds
	code     uintptr                   // the end of the code
	tables   uintptr                   // of the code, behind the constants: pclntab, which who walks a stack reads
	end      uintptr                   // of the tables
	rate     = &runtime.MemProfileRate //nolint:unused // entry_GOARCH.s
	cpus     cpuSet                    // those that the program was started with
	cpu      uint32                    //nolint:unused // entry_GOARCH.s: the one that it runs on
	pin      cpuSet                    // that one alone
	all      = cpuSet{max, max, max, max, max, max, max, max, max, max, max, max, max, max, max, max}
	free     bool // to ask for all CPUs gives what there was
	pinned   bool // to it, as are the threads of the runtime
	maxprocs = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '1', 0}
)

// This package imports nothing but the runtime, so it is initialised among the first (spec of Go, "Program initialization": packages
// without pending imports in the order of their paths, since Go 1.21): before package os, which raises the soft limit.
func init() {
	stack()
	started()
	Unpin(0)
	const nofile = 7
	if lowered {
		call(sysPrlimit, 0, nofile, uintptr(unsafe.Pointer(&limit)), 0)
		return
	}
	call(sysPrlimit, 0, nofile, 0, uintptr(unsafe.Pointer(&limit)))
}

// OpenFiles returns the soft and the hard limit of open files that the program was started with. Package os raises the
// soft one, and what the program starts has to get what its caller had.
func OpenFiles() (cur, hard uint64) { return limit.cur, limit.max }

// Slack returns the timer slack (PR_SET_TIMERSLACK, prctl(2)) that the program was started with, in nanoseconds. 0 means
// that the threads have it still.
func Slack() int64 { return slack }

// Prompt gives the calling thread, and so what it starts, the timer slack and the CPUs back. It is for who stays on the thread
// and is about to make a process: other threads than the main one may have late timers still, since to set those of another
// thread takes CAP_SYS_NICE (timerslack_ns, proc_pid_timerslack_ns(5)), and be pinned still, where Unpin was not told of them.
// It may be called where no stack can grow.
//
//go:nosplit
//go:norace
func Prompt() {
	const timerslack = 29 // PR_SET_TIMERSLACK
	if slack > 0 {
		call(sysPrctl, timerslack, uintptr(slack), 0, 0)
	}
	if !pinned {
		return
	}
	var now cpuSet
	call(sysSchedGetaffinity, 0, unsafe.Sizeof(now), uintptr(unsafe.Pointer(&now)), 0)
	if now == pin {
		Unpin(0)
	}
}

// Settle says that the calling thread's CPUs are the program's own affair from now on: Prompt leaves them alone.
func Settle() {
	Unpin(0)
	pinned = false
}

// Unpin gives a thread of the program back the CPUs that the program was started with; 0 is the caller.
//
// The kernel remembers what a thread has asked for, and keeps it when the cgroup's CPUs change (sched_setaffinity(2), Linux
// 6.2). So all CPUs are asked for, unless that is more than there was.
//
//go:nosplit
//go:norace
func Unpin(thread int) {
	if !pinned {
		return
	}
	var now cpuSet
	const size = unsafe.Sizeof(now)
	call(sysSchedSetaffinity, uintptr(thread), size, uintptr(unsafe.Pointer(&all)), 0)
	if free {
		return
	}
	call(sysSchedGetaffinity, uintptr(thread), size, uintptr(unsafe.Pointer(&now)), 0)
	if free = now == cpus; !free {
		call(sysSchedSetaffinity, uintptr(thread), size, uintptr(unsafe.Pointer(&cpus)), 0)
	}
}

// Environ returns env, the environment, without what the entry point has put in.
func Environ(env []string) []string {
	if inserted && len(env) > 0 && env[0] == string(maxprocs[:len(maxprocs)-1]) {
		return env[1:]
	}
	return env
}

// Idle gives the pages of constants and tables back to the kernel, for a process that waits: what is used again comes back by page
// faults (MADV_DONTNEED of a mapped file, madvise(2)).
func Idle() { forget(code) }

// Ready does the same with the tables alone. The start of the runtime and of the packages reads them to grow the stack; a command does
// not grow it again.
func Ready() { forget(tables) }

// forget gives back what is between start and the end of the tables.
func forget(start uintptr) {
	const (
		dontneed = 4
		page     = 65536 // the largest of the architectures
	)
	start &^= page - 1
	call(sysMadvise, start, end-start, dontneed, 0)
}

// stack makes the caller's stack large enough for a command, at once. It would double from 2 KiB on, each time with a copy and
// a look at the tables of the code.
func stack()

// started gives the runtime sigaction(2) back.
func started()

// call makes a system call.
//
//go:noescape
func call(nr, a, b, c, d uintptr) (errno uintptr)
