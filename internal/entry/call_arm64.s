#include "textflag.h"

// func call(nr, a, b, c, d uintptr) (errno uintptr)
TEXT ·call(SB), NOSPLIT, $0-48
	MOVD	nr+0(FP), R8
	MOVD	a+8(FP), R0
	MOVD	b+16(FP), R1
	MOVD	c+24(FP), R2
	MOVD	d+32(FP), R3
	SVC
	NEG	R0, R0
	MOVD	R0, errno+40(FP)
	RET
