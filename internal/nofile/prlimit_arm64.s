#include "textflag.h"

// func prlimit(l *rlimit)
TEXT ·prlimit(SB), NOSPLIT, $0-8
	MOVD $0, R0
	MOVD $7, R1
	MOVD $0, R2
	MOVD l+0(FP), R3
	MOVD $261, R8
	SVC
	RET
