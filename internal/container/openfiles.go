//go:build !cgo

package container

// openFiles is the soft RLIMIT_NOFILE that init is started with, see spawn.Command.
const openFiles = 0
