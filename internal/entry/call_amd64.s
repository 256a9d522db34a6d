#include "textflag.h"

// func call(nr, a, b, c, d uintptr) (errno uintptr)
TEXT ·call(SB), NOSPLIT, $0-48
	MOVQ	nr+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	MOVQ	c+24(FP), DX
	MOVQ	d+32(FP), R10
	SYSCALL
	NEGQ	AX
	MOVQ	AX, errno+40(FP)
	RET
