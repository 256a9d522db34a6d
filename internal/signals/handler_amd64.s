#include "textflag.h"

// The handler writes the number of the signal, one byte, to the pipe. It runs on Go's stack for signals, on whatever
// thread the kernel has chosen; the kernel restores every register when it returns.
TEXT sigwrite<>(SB), NOSPLIT|NOFRAME, $0
	SUBQ $24, SP
	MOVQ DI, 8(SP)
	MOVQ ·handlerFD(SB), DI
	LEAQ 8(SP), SI
	MOVQ $1, DX
	MOVQ $1, AX // write
	SYSCALL
	ADDQ $24, SP
	RET

TEXT sigreturn<>(SB), NOSPLIT|NOFRAME, $0
	MOVQ $15, AX // rt_sigreturn
	SYSCALL
	INT $3

// func handler() uintptr
TEXT ·handler(SB), NOSPLIT, $0-8
	LEAQ sigwrite<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func restorer() uintptr
TEXT ·restorer(SB), NOSPLIT, $0-8
	LEAQ sigreturn<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET
