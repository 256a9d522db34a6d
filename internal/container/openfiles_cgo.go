//go:build cgo

package container

// openFiles lets the dynamic linker, which a binary built with cgo needs, open its libraries.
const openFiles = 64
