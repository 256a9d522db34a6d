//go:build race

package spawn

// raced says that the race detector is built in. It instruments the assembler's way into runOps, with what belongs to the
// thread that made the child: a child that shares its parent's memory would use it together with that thread.
const raced = true
