package cgroups

import (
	"encoding/binary"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lastWord is how long the watcher of a unit may take to tell what it has seen.
const lastWord = 2 * time.Second

// FollowOOM returns a function that tells, once the container's process has ended, whether the kernel has killed for
// want of memory in the cgroup. The counters of a unit's v2 cgroup have to be watched for it: systemd removes the
// cgroup the moment that it is empty.
func (c *Cgroup) FollowOOM() func() (bool, error) {
	if c.saved.Unit == nil || c.saved.Layout != V2 {
		return c.OOMKilled
	}
	w := &oomWatcher{c: c, done: make(chan struct{})}
	f, err := watchInotify(c.main().dir())
	if err != nil {
		return c.OOMKilled
	}
	w.above = w.killsAbove()
	go w.run(f)
	return func() (bool, error) {
		if killed, err := c.OOMKilled(); killed || err != nil {
			return killed, err
		}
		if !c.Exists() {
			select {
			case <-w.done:
			case <-time.After(lastWord):
			}
		}
		_ = f.Close()
		<-w.done
		return w.killed, nil
	}
}

// oomWatcher reads the counters whenever the kernel says that they have changed.
type oomWatcher struct {
	c      *Cgroup
	above  uint64 // kills in the slice, the last time that was looked
	killed bool
	done   chan struct{} // closed when the cgroup is gone, or nobody asks any more
}

func (w *oomWatcher) run(f *os.File) {
	defer close(w.done)
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		kills, _ := w.c.oomKills()
		w.killed = w.killed || kills > 0
		if !w.c.Exists() {
			// Too late for its own counters. Those above have the kill, too.
			w.killed = w.killed || memoryEvent(buf[:n]) && w.killsAbove() > w.above
			return
		}
		w.above = w.killsAbove()
	}
}

// killsAbove counts the kills in the slice: memory.events counts those of all below.
func (w *oomWatcher) killsAbove() uint64 {
	h := w.c.main()
	text, err := readFile(h.Mount + strings.TrimSuffix(parent(h.Path), "/") + "/memory.events")
	if err != nil {
		return 0
	}
	return counter(text, "oom_kill")
}

// memoryEvent tells whether there is one of memory.events among the events of inotify(7): it was watched first.
func memoryEvent(events []byte) bool {
	const memoryWatch = 1
	for len(events) >= unix.SizeofInotifyEvent {
		if binary.NativeEndian.Uint32(events) == memoryWatch {
			return true
		}
		length := binary.NativeEndian.Uint32(events[12:])
		events = events[min(len(events), unix.SizeofInotifyEvent+int(length)):]
	}
	return false
}
