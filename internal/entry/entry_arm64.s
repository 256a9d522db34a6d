#include "textflag.h"

// See entry_amd64.s.
TEXT mydocker_entry(SB), NOSPLIT|NOFRAME, $0
	MOVD	$261, R8 // SYS_PRLIMIT64
	MOVD	ZR, R0
	MOVD	$7, R1
	MOVD	ZR, R2
	MOVD	$·limit(SB), R3
	SVC
	CBNZ	R0, environment
	MOVD	·limit+8(SB), R0
	MOVD	R0, ·none+8(SB)
	CMP	$3, R0
	BCC	environment
	MOVD	ZR, R0
	MOVD	$7, R1
	MOVD	$·none(SB), R2
	MOVD	ZR, R3
	SVC
	CBNZ	R0, environment
	MOVD	$1, R0
	MOVB	R0, ·lowered(SB)

environment:
	// prctl(PR_GET_TIMERSLACK), and late timers for this thread and those that the runtime starts.
	MOVD	$167, R8 // SYS_PRCTL
	MOVD	$30, R0
	SVC
	MOVD	R0, ·slack(SB)
	MOVD	$29, R0
	MOVD	$100000000, R1
	SVC

	// sched_getaffinity(0, sizeof cpus, &cpus), getcpu(&cpu, NULL, NULL), sched_setaffinity(0, sizeof pin, &pin) to that CPU.
	MOVD	$123, R8
	MOVD	ZR, R0
	MOVD	$128, R1
	MOVD	$·cpus(SB), R2
	SVC
	CMP	$0, R0
	BLE	free
	MOVD	$168, R8
	MOVD	$·cpu(SB), R0
	MOVD	ZR, R1
	MOVD	ZR, R2
	SVC
	CBNZ	R0, free
	MOVWU	·cpu(SB), R0
	MOVD	$·pin(SB), R2
	LSR	$6, R0, R1
	ADD	R1<<3, R2, R1
	MOVD	$1, R3
	LSL	R0, R3, R3
	MOVD	R3, (R1)
	MOVD	$122, R8
	MOVD	ZR, R0
	MOVD	$128, R1
	SVC
	CBNZ	R0, free
	MOVD	$1, R0
	MOVB	R0, ·pinned(SB)

free:
	MOVD	$runtime·etext(SB), R0
	MOVD	R0, ·code(SB)
	MOVD	$runtime·pclntab(SB), R0
	MOVD	R0, ·tables(SB)
	MOVD	$runtime·epclntab(SB), R0
	MOVD	R0, ·end(SB)
	MOVD	·rate(SB), R0
	MOVD	ZR, (R0)
	MOVD	$mydocker_mmap(SB), R0
	MOVD	R0, _cgo_mmap(SB)
	MOVD	$mydocker_sigaction(SB), R0
	MOVD	R0, _cgo_sigaction(SB)

	// If there is a GOMAXPROCS in the environment, it holds.
	MOVD	(RSP), R0
	MOVD	RSP, R1
	ADD	R0<<3, R1
	ADD	$16, R1
	MOVD	$0x4f525058414d4f47, R2 // "GOMAXPRO"
next:
	MOVD.P	8(R1), R3
	CBZ	R3, insert
	MOVD	(R3), R4
	CMP	R4, R2
	BNE	next
	JMP	_rt0_arm64_linux(SB)

insert:
	MOVD	$1, R0
	MOVB	R0, ·inserted(SB)
	// The stack pointer is a multiple of 16 here: two words down, of which one more is the environment's.
	MOVD	RSP, R0
	SUB	$16, R0, R1
	MOVD	(R0), R2
	ADD	$2, R2
	MOVD	R1, RSP
move:
	MOVD.P	8(R0), R3
	MOVD.P	R3, 8(R1)
	SUBS	$1, R2
	BNE	move
	MOVD	$·maxprocs(SB), R3
	MOVD.P	R3, 8(R1)
	MOVD.P	R3, 8(R1)
	JMP	_rt0_arm64_linux(SB)

// See entry_amd64.s.
TEXT mydocker_mmap(SB), NOSPLIT|NOFRAME, $0
	MOVD	R1, R9
	MOVD	R2, R10
	MOVD	$222, R8 // SYS_MMAP
	SVC
	CMN	$4095, R0
	BCS	refused
	CMP	$0x400000, R9
	BNE	mapped
	CMPW	$3, R10
	BNE	mapped
	MOVD	ZR, _cgo_mmap(SB)
	MOVD	R0, R11
	MOVD	$0x400000, R1
	MOVD	$15, R2
	MOVD	$233, R8 // SYS_MADVISE
	SVC
	MOVD	R11, R0
mapped:
	RET
refused:
	NEG	R0, R0
	RET

// See entry_amd64.s.
TEXT mydocker_sigaction(SB), NOSPLIT|NOFRAME, $0
	MOVD	·handled(SB), R9
	LSR	R0, R9, R9
	TBZ	$0, R9, nothing
	CBNZ	R1, real
	CMPW	$2, R0
	BHI	nothing
real:
	MOVD	$8, R3
	MOVD	$134, R8 // SYS_RT_SIGACTION
	SVC
	RET
nothing:
	MOVD	ZR, R0
	RET

// func started()
TEXT ·started(SB), NOSPLIT, $0-0
	MOVD	ZR, _cgo_sigaction(SB)
	RET
