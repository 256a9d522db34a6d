#include "textflag.h"

// The handler writes the number of the signal, one byte, to the pipe. It runs on Go's stack for signals, on whatever
// thread the kernel has chosen; the kernel restores every register when it returns.
TEXT sigwrite<>(SB), NOSPLIT|NOFRAME, $0
	SUB $16, RSP
	MOVD R0, 8(RSP)
	MOVD ·handlerFD(SB), R0
	ADD $8, RSP, R1
	MOVD $1, R2
	MOVD $64, R8 // write
	SVC
	ADD $16, RSP
	RET

TEXT sigreturn<>(SB), NOSPLIT|NOFRAME, $0
	MOVD $139, R8 // rt_sigreturn
	SVC
	BRK

// func handler() uintptr
TEXT ·handler(SB), NOSPLIT, $0-8
	MOVD $sigwrite<>(SB), R0
	MOVD R0, ret+0(FP)
	RET

// func restorer() uintptr
TEXT ·restorer(SB), NOSPLIT, $0-8
	MOVD $sigreturn<>(SB), R0
	MOVD R0, ret+0(FP)
	RET
