#include "textflag.h"

// The linker makes this the program's entry point, in place of the Go runtime's (`-ldflags '-E mydocker_entry'`). The
// stack is as the kernel leaves it: argc, argv, a null, the environment, a null, the auxiliary vector.
TEXT mydocker_entry(SB), NOSPLIT|NOFRAME, $0
	// prlimit64(0, RLIMIT_NOFILE, NULL, &limit), and the soft one to 3.
	MOVL	$302, AX
	XORL	DI, DI
	MOVL	$7, SI
	XORL	DX, DX
	LEAQ	·limit(SB), R10
	SYSCALL
	TESTQ	AX, AX
	JNE	environment
	MOVQ	·limit+8(SB), AX
	MOVQ	AX, ·none+8(SB)
	CMPQ	AX, $3
	JCS	environment
	MOVL	$302, AX
	XORL	DI, DI
	MOVL	$7, SI
	LEAQ	·none(SB), DX
	XORL	R10, R10
	SYSCALL
	TESTQ	AX, AX
	JNE	environment
	MOVB	$1, ·lowered(SB)

environment:
	// prctl(PR_GET_TIMERSLACK), and late timers for this thread and those that the runtime starts.
	MOVL	$157, AX
	MOVL	$30, DI
	SYSCALL
	MOVQ	AX, ·slack(SB)
	MOVL	$157, AX
	MOVL	$29, DI
	MOVL	$100000000, SI
	SYSCALL

	// sched_getaffinity(0, sizeof cpus, &cpus), getcpu(&cpu, NULL, NULL), sched_setaffinity(0, sizeof pin, &pin) to that CPU.
	MOVL	$204, AX
	XORL	DI, DI
	MOVL	$128, SI
	LEAQ	·cpus(SB), DX
	SYSCALL
	TESTQ	AX, AX
	JLE	free
	MOVL	$309, AX
	LEAQ	·cpu(SB), DI
	XORL	SI, SI
	XORL	DX, DX
	SYSCALL
	TESTQ	AX, AX
	JNE	free
	MOVL	·cpu(SB), AX
	LEAQ	·pin(SB), DX
	BTSL	AX, (DX)
	MOVL	$203, AX
	XORL	DI, DI
	MOVL	$128, SI
	SYSCALL
	TESTQ	AX, AX
	JNE	free
	MOVB	$1, ·pinned(SB)

free:
	LEAQ	runtime·etext(SB), AX
	MOVQ	AX, ·code(SB)
	LEAQ	runtime·pclntab(SB), AX
	MOVQ	AX, ·tables(SB)
	LEAQ	runtime·epclntab(SB), AX
	MOVQ	AX, ·end(SB)
	MOVQ	·rate(SB), AX
	MOVQ	$0, (AX)
	LEAQ	mydocker_mmap(SB), AX
	MOVQ	AX, _cgo_mmap(SB)
	LEAQ	mydocker_sigaction(SB), AX
	MOVQ	AX, _cgo_sigaction(SB)

	// If there is a GOMAXPROCS in the environment, it holds.
	MOVQ	(SP), CX
	LEAQ	16(SP)(CX*8), SI
	MOVQ	$0x4f525058414d4f47, DX // "GOMAXPRO"
next:
	MOVQ	(SI), DI
	ADDQ	$8, SI
	TESTQ	DI, DI
	JEQ	insert
	CMPQ	(DI), DX
	JNE	next
	JMP	_rt0_amd64_linux(SB)

insert:
	// argc, argv and its null go one word down, which leaves a place before the environment.
	MOVB	$1, ·inserted(SB)
	SUBQ	$8, SP
	MOVQ	SP, DI
	LEAQ	8(SP), SI
	MOVQ	8(SP), CX
	ADDQ	$2, CX
	CLD
	REP; MOVSQ
	LEAQ	·maxprocs(SB), AX
	MOVQ	AX, (DI)
	JMP	_rt0_amd64_linux(SB)

// mmap(2), which the runtime calls by the convention of C. The heap's first piece is 4 MiB, to read and to write; its
// pages stay small ones: madvise(heap, 4 MiB, MADV_NOHUGEPAGE).
TEXT mydocker_mmap(SB), NOSPLIT|NOFRAME, $0
	MOVQ	CX, R10
	MOVL	$9, AX
	SYSCALL
	CMPQ	AX, $0xfffffffffffff001
	JCC	refused
	CMPQ	SI, $0x400000
	JNE	mapped
	CMPL	DX, $3
	JNE	mapped
	MOVQ	$0, _cgo_mmap(SB)
	MOVQ	AX, R8
	MOVQ	AX, DI
	MOVL	$0x400000, SI
	MOVL	$15, DX
	MOVL	$28, AX
	SYSCALL
	MOVQ	R8, AX
mapped:
	RET
refused:
	NEGQ	AX
	RET

// sigaction(2), which the runtime calls by the convention of C. Those of other signals than handled do nothing, nor do
// questions for the handler, but for SIGHUP and SIGINT: the answer is SIG_DFL then.
TEXT mydocker_sigaction(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·handled(SB), AX
	BTQ	DI, AX
	JCC	nothing
	TESTQ	SI, SI
	JNE	real
	CMPL	DI, $2
	JHI	nothing
real:
	MOVL	$8, R10
	MOVL	$13, AX
	SYSCALL
	RET
nothing:
	XORL	AX, AX
	RET

// func started()
TEXT ·started(SB), NOSPLIT, $0-0
	MOVQ	$0, _cgo_sigaction(SB)
	RET
