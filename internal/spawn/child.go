package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Go program has threads, and setns into a user, time or mount namespace wants a process that has one. So the
// parent prepares an array of raw system calls and forks, and the child, which has one thread, runs the array up to
// execve. It is what the standard library's forkAndExecInChild does, with a list in place of fixed code. In the child
// no Go runtime call happens, no memory is allocated, no lock is taken and no stack grows: the other threads, which
// may have held any lock, are not there. All signals are blocked until right before execve, and no handler of the
// parent's is left (CLONE_CLEAR_SIGHAND). A test reads the disassembly of these functions for it.

// kind says what the child does beside the call of an op.
type kind uintptr

const (
	plain  kind = iota
	gate        // reads a byte: the parent goes ahead; without one the parent is gone, and so is the child
	tell        // only tells the parent that the child has come here
	fork        // clones; this process tells the pid and ends, the new one goes on
	failed      // in reports alone: the op did not succeed
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

// report is the message of the child to the parent.
type report struct {
	what  kind
	index uintptr
	value uintptr // an errno, or a pid
}

// clone makes the child and lets it run n ops. In the parent it returns the pid.
//
//go:nosplit
//go:norace
func clone(args *cloneArgs, ops *op, n, socket uintptr, r *report) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno == 0 && pid == 0 {
		runOps(ops, n, socket, r)
	}
	return pid, errno
}

// runOps is all that the child ever does. It does not return.
//
//go:nosplit
//go:norace
func runOps(ops *op, count, socket uintptr, r *report) {
	for i := uintptr(0); i < count; i++ {
		// A slice would bring the check of its bounds, and with that a call of the runtime.
		o := (*op)(unsafe.Add(unsafe.Pointer(ops), i*unsafe.Sizeof(*ops)))
		if o.kind == tell {
			send(socket, r, tell, i, 0)
			continue
		}
		n, _, errno := syscall.RawSyscall6(o.nr, o.a[0], o.a[1], o.a[2], o.a[3], o.a[4], o.a[5])
		switch {
		case o.kind == gate && (errno != 0 || n != 1):
			exit()
		case errno != 0 && errno != o.tolerated[0] && errno != o.tolerated[1]:
			send(socket, r, failed, i, uintptr(errno))
			exit()
		case o.kind == fork && n != 0:
			send(socket, r, fork, i, n)
			exit()
		}
	}
	exit()
}

//go:nosplit
//go:norace
func send(socket uintptr, r *report, what kind, index, value uintptr) {
	r.what, r.index, r.value = what, index, value
	_, _, _ = syscall.RawSyscall6(unix.SYS_SENDTO, socket, uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r), unix.MSG_NOSIGNAL, 0, 0)
}

//go:nosplit
//go:norace
func exit() {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// The runtime's own preparation for a fork, which the linker lets packages use: signals are blocked on this thread,
// and a stack that would grow is a fault in place of a silent call of the allocator.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()
