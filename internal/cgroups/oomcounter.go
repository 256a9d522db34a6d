package cgroups

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// lastWord is how long systemd may take to remove the cgroup of a unit whose processes have ended.
const lastWord = 2 * time.Second

// FollowOOM returns what OOM is to be asked by once the container's process has ended. The counters of a unit's v2
// cgroup have to be watched for it: systemd removes the cgroup the moment that it is empty.
func (c *Cgroup) FollowOOM() func() (kills, limit uint64, err error) {
	if c.saved.Unit == nil || c.saved.Layout != V2 {
		return c.OOM
	}
	f, err := watchInotify(c.main().dir())
	if err != nil {
		return c.OOM
	}
	o := c.countOOM()
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.follow(f, func(uint64) bool { return true })
	}()
	return func() (uint64, uint64, error) {
		if kills, limit, err := c.OOM(); err == nil {
			return kills, limit, nil
		}
		select {
		case <-done:
		case <-time.After(lastWord):
		}
		_ = f.Close()
		<-done
		return o.kills, o.limit, nil
	}
}

func (c *Cgroup) followInotify(f *os.File, report func(kills uint64) bool) {
	c.countOOM().follow(f, report)
}

// oomCounter has the counters of a v2 cgroup, which it reads whenever the kernel says that they have changed, and so also
// when the cgroup is gone.
type oomCounter struct {
	c            *Cgroup
	kills, limit uint64    // the last time that the cgroup was there
	above        []uint64  // kills in each of the cgroups above, the nearest first, at that time
	stirred      time.Time // when its counters have last changed
}

// countOOM begins to count.
func (c *Cgroup) countOOM() *oomCounter {
	o := &oomCounter{c: c}
	o.look(nil)
	return o
}

// follow reports the number of kills until the cgroup is gone, there are no notifications any more, or report returns false.
func (o *oomCounter) follow(f *os.File, report func(kills uint64) bool) {
	buf := make([]byte, 4096)
	for report(o.kills) {
		n, err := f.Read(buf)
		if err != nil {
			n = 0 // the kernel may hold a change back for 10 ms, until the processes have ended
		}
		if !o.look(buf[:n]) || err != nil {
			break
		}
	}
	report(o.kills)
}

// look reads the counters after the events of inotify(7), and tells whether they are still there.
func (o *oomCounter) look(events []byte) bool {
	if memoryEvent(events) {
		o.stirred = time.Now()
	}
	above := o.killsAbove()
	for {
		kills, limit, err := o.c.OOM()
		if err != nil || !o.c.Exists() {
			o.atEnd(above)
			return false
		}
		// What is counted in between may be in one of them only, and the kernel counts a kill from the cgroup upwards.
		if again := o.killsAbove(); !slices.Equal(above, again) {
			above = again
			continue
		}
		for i, counted := range o.above {
			if counted != gone && above[i] != gone {
				above[i] = max(above[i], counted+kills-o.kills)
			}
		}
		o.kills, o.limit, o.above = kills, limit, above
		return true
	}
}

// atEnd counts the kills for which look came too late: those above have them, too. Others' are there as well, so that they
// count only if the cgroup's own counters were changing.
func (o *oomCounter) atEnd(above []uint64) {
	if time.Since(o.stirred) > 2*lastWord {
		return
	}
	for i := range min(len(above), len(o.above)) {
		if above[i] != gone {
			o.kills += max(above[i], o.above[i]) - o.above[i]
			return
		}
	}
}

// gone stands for the kills in a cgroup that cannot be read.
const gone = math.MaxUint64

// killsAbove counts the kills in the cgroups above: memory.events has those of all below. A slice may go with its last unit.
func (o *oomCounter) killsAbove() []uint64 {
	var kills []uint64
	h := o.c.main()
	for path := parent(h.Path); path != "/"; path = parent(path) {
		text, err := readFile(h.Mount + path + "/memory.events")
		if err != nil {
			kills = append(kills, gone)
			continue
		}
		kills = append(kills, counter(text, "oom_kill"))
	}
	return kills
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
