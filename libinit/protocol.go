package libinit

// Kinds of the messages between the parent (package container) and init. Requests of init are answered by Done,
// with the descriptor that was asked for, or by Failure.
const (
	MsgPlan     byte = iota + 1 // parent → init: the plan, encoded by wire
	MsgDone                     // parent → init: the request was met
	MsgFailure                  // either way: a Failure, encoded by wire
	MsgSource                   // init → parent: open the source of mount N (Source), answer with a descriptor
	MsgIDMap                    // init → parent: map the ids of a detached mount, a descriptor, as mount N (Source) asks
	MsgHooks                    // init → parent: namespaces and mounts are ready: limits, net devices, prestart and createRuntime hooks
	MsgLimits                   // init → parent: namespaces and mounts are ready: limits
	MsgConsole                  // init → parent: the pty master, as a descriptor
	MsgListener                 // init → parent: the seccomp listener, as a descriptor
	MsgReady                    // init → parent: all is set; rlimits and state.json, then the answer means "created"
	MsgLog                      // init → parent: a Log, encoded by wire
	MsgSpans                    // parent → init, before the plan: trace. init → parent: Spans, encoded by wire
)

// Failure is an error that crosses the socket. Text is what a person reads; the rest is fault.Error's facts.
type Failure struct {
	Text, Code, Phase, Step, Field, Path, Hint string
	Errno                                      uint32 // 0 when the cause is not an errno
}

// Log is a line for the parent's log.
type Log struct {
	Level string // as logrus names it: "warning", "debug"
	Text  string
	Field string // of config.json, which the line is about; "" without
}

// Source asks the parent for the source of a mount, by its index in the spec's mounts: opened with
// open_tree(OPEN_TREE_CLONE) in the host's mount namespace, with the mount's id mapping applied where it has one.
type Source struct {
	Mount int
}
