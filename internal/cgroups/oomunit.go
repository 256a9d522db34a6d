package cgroups

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lastWord is how long the watcher of a unit may take to tell what it has seen, and systemd what it knows.
const lastWord = 2 * time.Second

// FollowOOM returns what OOM is to be asked by once the container's process has ended. The counters of a unit's v2
// cgroup have to be watched for it: systemd removes the cgroup the moment that it is empty.
func (c *Cgroup) FollowOOM() func() (kills, limit uint64, err error) {
	if c.saved.Unit == nil || c.saved.Layout != V2 {
		return c.OOM
	}
	w := &oomWatcher{c: c, done: make(chan struct{})}
	f, err := watchInotify(c.main().dir())
	if err != nil {
		return c.OOM
	}
	w.look()
	go w.run(f)
	return func() (uint64, uint64, error) {
		if kills, limit, err := c.OOM(); err == nil {
			return kills, limit, nil
		}
		select {
		case <-w.done:
		case <-time.After(lastWord):
		}
		_ = f.Close()
		<-w.done
		// The kernel tells of a change after a while, which can be too late: systemd looks before it removes the cgroup.
		if w.kills == 0 {
			if killed, _ := c.killedForMemory(); killed {
				w.kills = 1
			}
		}
		return w.kills, w.limit, nil
	}
}

// PastOOM is OOM for who comes when the processes have ended: it asks systemd where that has removed the cgroup.
func (c *Cgroup) PastOOM() (kills, limit uint64, err error) {
	kills, limit, err = c.OOM()
	if err == nil || c.saved.Unit == nil || c.saved.Layout != V2 {
		return kills, limit, err
	}
	if killed, limit := c.killedForMemory(); killed {
		return 1, limit, nil
	}
	return 0, 0, err
}

// killedForMemory asks systemd whether a process of the unit was killed for want of memory, and for the limit in bytes, 0
// without one. A unit that has failed stays until stopUnit.
func (c *Cgroup) killedForMemory() (bool, uint64) {
	var killed bool
	var limit uint64
	err := c.answeredIn(lastWord, "ask for the end of", func() error {
		ctx := context.Background()
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		unit := c.saved.Unit.String()
		result, err := conn.GetUnitTypePropertyContext(ctx, unit, "Scope", "Result")
		if err != nil || result.Value.Value() != "oom-kill" {
			return err
		}
		killed = true
		memory, err := conn.GetUnitTypePropertyContext(ctx, unit, "Scope", "MemoryMax")
		if err != nil {
			return err
		}
		if n, ok := memory.Value.Value().(uint64); ok && n != math.MaxUint64 {
			limit = n
		}
		return nil
	})
	if err != nil {
		return false, 0
	}
	return killed, limit
}

// oomWatcher reads the counters whenever the kernel says that they have changed.
type oomWatcher struct {
	c            *Cgroup
	kills, limit uint64        // the last time that the cgroup was there
	above        uint64        // kills in the slice, at that time
	done         chan struct{} // closed when the cgroup is gone, or nobody asks any more
}

// look reads the counters, and tells whether they are still there.
func (w *oomWatcher) look() bool {
	kills, limit, err := w.c.OOM()
	if err != nil || !w.c.Exists() {
		return false
	}
	w.kills, w.limit, w.above = kills, limit, w.killsAbove()
	return true
}

func (w *oomWatcher) run(f *os.File) {
	defer close(w.done)
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		if w.look() {
			continue
		}
		// Too late for its own counters. Those above have its kills, too.
		if above := w.killsAbove(); memoryEvent(buf[:n]) && above > w.above {
			w.kills += above - w.above
		}
		return
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
