package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Go program has threads, and setns into a user, time or mount namespace wants a process that has one. So the
// parent prepares an array of raw system calls, forks, and the child, which has one thread, runs the array up to
// execve. It is what the standard library's forkAndExecInChild does, with a list in place of fixed code. In the
// child no Go runtime call happens, no memory is allocated, no lock is taken and no stack grows: the other threads,
// which may have held any lock, are not there. A test reads the disassembly of this file's functions for it.

// kind says what the child does beside the call of an op.
type kind uintptr

const (
	plain kind = iota
	gate       // reads a byte: the parent goes ahead; without one the parent is gone, and so is the child
	tell       // tells the parent that it has come here
	fork       // clones; this process tells the pid and ends, the new one goes on

)

// op is one system call of the child.
type op struct {
	kind      kind
	nr        uintptr
	a         [6]uintptr
	tolerated [2]syscall.Errno // errors that are none
}

// cloneArgs is struct clone_args of clone3(2), Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// report is what the child writes to the status pipe: at most PIPE_BUF bytes, so each arrives whole.
type report struct {
	what  kind
	index uintptr
	value uintptr // an errno, or a pid
}

// failed is the kind of a report about an op that did not succeed.
const failed kind = 100

// clone makes the child and lets it run ops. In the parent it returns the pid.
//
//go:nosplit
//go:norace
func clone(args *cloneArgs, ops []op, status uintptr, r *report) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	runOps(ops, status, r)
	return 0, 0
}

// runOps is all that the child ever does. It does not return.
//
//go:nosplit
//go:norace
func runOps(ops []op, status uintptr, r *report) {
	for i := 0; i < len(ops); i++ {
		o := &ops[i]
		if o.kind == tell {
			r.what, r.index = tell, uintptr(i)
			syscall.RawSyscall(unix.SYS_WRITE, status, uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r))
			continue
		}
		n, _, errno := syscall.RawSyscall6(o.nr, o.a[0], o.a[1], o.a[2], o.a[3], o.a[4], o.a[5])
		switch {
		case o.kind == gate && errno == syscall.EINTR:
			i--
		case o.kind == gate && (errno != 0 || n != 1):
			exit()
		case errno != 0 && errno != o.tolerated[0] && errno != o.tolerated[1]:
			r.what, r.index, r.value = failed, uintptr(i), uintptr(errno)
			syscall.RawSyscall(unix.SYS_WRITE, status, uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r))
			exit()
		case o.kind == fork && n != 0:
			r.what, r.index, r.value = fork, uintptr(i), n
			syscall.RawSyscall(unix.SYS_WRITE, status, uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r))
			exit()
		}
	}
	exit()
}

//go:nosplit
//go:norace
func exit() {
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// The runtime's own preparation for a fork: signals are blocked on this thread, so that the child, which has the
// parent's handlers until it has cleared them, takes none.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()
