#include "textflag.h"

// func clone(args *cloneArgs, size uintptr, child *child) (pid, errno uintptr)
//
// The child returns from the system call on a stack of its own, where there is no frame to return to.
TEXT ·clone(SB), NOSPLIT|NOFRAME, $0-40
	MOVD	args+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	child+16(FP), R19
	MOVD	$435, R8 // SYS_CLONE3
	SVC
	CBZ	R0, inside
	CMN	$4095, R0
	BCS	failed
	MOVD	R0, pid+24(FP)
	MOVD	ZR, errno+32(FP)
	RET
failed:
	NEG	R0, R0
	MOVD	ZR, pid+24(FP)
	MOVD	R0, errno+32(FP)
	RET
inside:
	SUB	$32, RSP
	MOVD	R19, 8(RSP)
	MOVD	$·runOps(SB), R9 // called by address: the linker measures the stack of calls by name, and these two call each other
	CALL	(R9)
	BRK
