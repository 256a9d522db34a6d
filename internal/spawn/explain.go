package spawn

import (
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Op is one operation of a start. Its zero fields say nothing.
type Op struct {
	Text  string  // as "unshare mount, uts namespaces"
	Flags uintptr // CLONE_NEW* flags of the namespaces that it makes or joins
	Task  Task    // of the parent, for which the child waits before what is further down
}

// Task is something that the parent does at a certain point of a start.
type Task int

// What the parent does: Placed, Mapped, and the offsets of a new time namespace.
const (
	Place Task = iota + 1
	Map
	Offsets
)

// Explain lists what Start would do, and does none of it. It is made from the array of system calls that the child
// would run.
func (c *Command) Explain() ([]Op, error) {
	s, err := c.assemble()
	if err != nil {
		return nil, err
	}
	defer s.close()
	made := s.early()
	list := append(make([]Op, 0, len(s.ops)+2), Op{Text: s.cloneText(), Flags: made}, Op{Task: Place})
	if made&unix.CLONE_NEWUSER != 0 {
		list = append(list, Op{Task: Map})
	}
	for i := range s.ops {
		o := Op{Text: s.labels[i].String(), Flags: s.flagsOf(i)}
		switch s.ops[i].kind {
		case gate:
			continue // what it waits for is listed
		case tell:
			o = Op{Task: Offsets}
			if s.ops[i-1].a[0] == unix.CLONE_NEWUSER {
				o.Task = Map
			}
		}
		list = append(list, o)
	}
	return list, nil
}

func (s *spawn) cloneText() string {
	text := "clone " + flagNames(s.early())
	if s.Cgroup != nil {
		text += " into cgroup " + s.Cgroup.Name()
	}
	return text
}

// flagsOf are the namespaces that an op of the child makes or joins.
func (s *spawn) flagsOf(i int) uintptr {
	switch o := &s.ops[i]; {
	case s.labels[i].code != fault.Namespace:
		return 0
	case o.nr == unix.SYS_UNSHARE:
		return o.a[0]
	case o.nr == unix.SYS_SETNS:
		return o.a[1]
	}
	return 0
}
