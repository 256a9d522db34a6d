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
