package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Go program has threads, and setns into a user, time or mount namespace wants a process that has one. So the
// parent prepares an array of raw system calls and clones, and the child, which has one thread, runs the array up to
// execve. It is what the standard library's forkAndExecInChild does, with a list in place of fixed code. In the child
// no Go runtime call happens, no memory is allocated, no lock is taken and no stack grows: it has no thread of the
// runtime's. All signals are blocked until right before execve, and no handler of the parent's is left
// (CLONE_CLEAR_SIGHAND). A test reads the disassembly of these functions for it.
//
// The child shares the parent's memory (CLONE_VM), which goes on meanwhile: a copy would make the kernel protect every
// page of the parent, and both fault at each that they write to. So it has a stack of its own, and all that it reads is
// kept until its execve. What the kernel keeps for a memory then counts for both: whether it may be traced
// (PR_SET_DUMPABLE, setresuid; Start gives the parent its own back), and the oom score, which therefore nobody may set
// before Start returns. Only for OwnMemory, and where a time namespace is joined or made, is the memory copied: the
// kernel refuses to join one otherwise.

// kind says what the child does beside the call of an op.
type kind uintptr

const (
	plain  kind = iota
	gate        // reads a byte: the parent goes ahead; without one the parent is gone, and so is the child
	tell        // only tells the parent that the child has come here
	fork        // clones; this process tells the pid and ends, the new one goes on with the next op
	failed      // in reports alone: the op did not succeed
)

// op is one system call of the child.
type op struct {
	kind      kind
	nr        uintptr
	a         [6]uintptr
	tolerated [2]syscall.Errno // errors that are none
	next      *child           // what a fork makes
}

// cloneArgs is struct clone_args of clone3(2), Linux 5.7.
type cloneArgs struct {
	flags, pidfd, _, _, exitSignal, stack, stackSize, _, _, _, cgroup uint64
}

// report is the message of the child to the parent.
type report struct {
	what  kind
	index uintptr
	value uintptr // an errno, or a pid
}

// child is what a child runs, and where it writes.
type child struct {
	ops    *op
	count  uintptr
	socket uintptr // its end
	index  uintptr // of the first op among those of the program
	report report  //nolint:unused // see runOps
	stack  []byte  // of its own, if it shares its parent's memory
	args   cloneArgs
}

// stackSize is enough for the few frames of functions that do not grow a stack, and for a signal's if a debugger sends one.
const stackSize = 16 << 10

// arm sets what clone3 is to be called with.
func (c *child) arm(flags uintptr) {
	c.args.flags |= uint64(flags)
	if flags&unix.CLONE_VM == 0 {
		return
	}
	c.stack = make([]byte, stackSize)
	c.args.stack = uint64(uintptr(unsafe.Pointer(&c.stack[0])))
	c.args.stackSize = stackSize
}

// clone makes a child, which lets runOps run. In the parent it returns the pid.
//
//go:noescape
func clone(args *cloneArgs, size uintptr, child *child) (pid uintptr, errno syscall.Errno)

// runOps is all that the child ever does. It does not return.
//
//go:nosplit
//go:norace
func runOps(c *child) { //nolint:unused // clone_GOARCH.s calls it
	for i := uintptr(0); i < c.count; i++ {
		// A slice would bring the check of its bounds, and with that a call of the runtime.
		o := (*op)(unsafe.Add(unsafe.Pointer(c.ops), i*unsafe.Sizeof(*c.ops)))
		switch o.kind {
		case tell:
			send(c, tell, i, 0)
			continue
		case fork:
			pid, errno := clone(&o.next.args, unsafe.Sizeof(o.next.args), o.next)
			if errno != 0 {
				send(c, failed, i, uintptr(errno))
			} else {
				send(c, fork, i, pid)
			}
			exit()
		}
		n, _, errno := syscall.RawSyscall6(o.nr, o.a[0], o.a[1], o.a[2], o.a[3], o.a[4], o.a[5])
		switch {
		case o.kind == gate && (errno != 0 || n != 1):
			exit()
		case errno != 0 && errno != o.tolerated[0] && errno != o.tolerated[1]:
			send(c, failed, i, uintptr(errno))
			exit()
		}
	}
	exit()
}

//go:nosplit
//go:norace
func send(c *child, what kind, index, value uintptr) { //nolint:unused // see runOps
	c.report.what, c.report.index, c.report.value = what, c.index+index, value
	_, _, _ = syscall.RawSyscall6(unix.SYS_SENDTO, c.socket, uintptr(unsafe.Pointer(&c.report)), unsafe.Sizeof(c.report), unix.MSG_NOSIGNAL, 0, 0)
}

//go:nosplit
//go:norace
func exit() { //nolint:unused // see runOps
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
