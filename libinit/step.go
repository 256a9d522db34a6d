// Package libinit is the container's init: what happens inside, in order. Plan turns a spec into an ordered
// list of steps without touching anything; Main, running as the container's first process, does them.
package libinit

import (
	"os"

	"mydocker/internal/seqpacket"
)

// Step is one thing that init does. A step is plain exported data (it crosses to init through package wire),
// prints itself as errors and explain show it, and does itself.
type Step interface {
	// String says what the step does: verb and object, as "mount proc at /proc (nosuid,noexec)".
	String() string
	// Do does it.
	Do(*Env) error
}

// Entry is a step of a plan together with the field of the configuration that asks for it, as "mounts[3]".
type Entry struct {
	Field string
	Step  Step
}

// Env is what the steps of one init share.
type Env struct {
	Conn *seqpacket.Conn // to the parent; nil once the container is created
	Root *os.File        // the root filesystem, a directory opened with O_PATH

	// Preserved is how many descriptors from 3 on are the program's.
	Preserved int

	traced     bool     // steps are logged
	gate       *os.File // the exec FIFO, open for reading and writing
	report     *os.File // the FIFO on which start hears why the program could not be executed
	proc       *os.File // see Proc
	home       string   // see Home
	program    string   // see Lookup
	cwd        cwd
	asked      bool      // AskLimits has no answer yet
	state      []byte    // the state as the hooks get it: specs.State in JSON
	late       []int     // mounts that become read-only when the root filesystem is complete
	kept       []kept    // mounts whose paths are masked by descriptor
	dir        directory // that of the bind mounts before
	noTreeAttr bool      // this kernel has no open_tree_attr(2)
	spans      *recorder // nil without --trace
}
