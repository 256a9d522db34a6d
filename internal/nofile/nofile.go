// Package nofile knows the limit of open files that the program was started with. Package os raises the soft limit
// when it is initialised, and what the program starts has to get what its caller had.
package nofile

// limit is read before package os changes it: this package imports nothing, so it is initialised among the first
// (spec of Go, "Program initialization": packages without pending imports in the order of their paths, since Go 1.21).
var limit = read()

// rlimit is struct rlimit64.
type rlimit struct{ cur, max uint64 }

// Original returns the soft and the hard limit that the program was started with.
func Original() (cur, hard uint64) { return limit.cur, limit.max }

func read() rlimit {
	var l rlimit
	prlimit(&l)
	return l
}

// prlimit calls prlimit64(0, RLIMIT_NOFILE, NULL, l).
//
//go:noescape
func prlimit(l *rlimit)
