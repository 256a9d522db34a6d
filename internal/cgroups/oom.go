package cgroups

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// OOMKilled tells whether the kernel has killed for want of memory in the cgroup.
func (c *Cgroup) OOMKilled() (bool, error) {
	n, err := c.oomKills()
	return n > 0, err
}

// OOM is how often the kernel has killed for want of memory in the cgroup, and the limit of memory in bytes, 0 without
// one. It is an error if the cgroup is not there any more, or memory is not accounted for.
func (c *Cgroup) OOM() (kills, limit uint64, err error) {
	h := c.hierarchy("memory")
	if h == nil {
		return 0, 0, fault.New(fault.Unsupported, "", errNoMemory)
	}
	name := "/memory.limit_in_bytes"
	if c.saved.Layout == V2 {
		name = "/memory.max"
	}
	text, err := readFile(h.dir() + name)
	if err != nil {
		return 0, 0, fault.New(fault.Cgroup, "", err)
	}
	// v2 says "max" where there is none, v1 the largest number of pages.
	if limit, err = strconv.ParseUint(text, 10, 64); err != nil || limit > math.MaxInt64&^0xfffff {
		limit = 0
	}
	// Systemd may remove the cgroup in between: how many it has counted is not known then.
	kills, err = c.countedKills(h)
	return kills, limit, err
}

var errNoMemory = errors.New("cgroup controller memory is not mounted")

// oomKills counts the kills, none where nothing counts them.
func (c *Cgroup) oomKills() (uint64, error) {
	h := c.hierarchy("memory")
	if h == nil {
		return 0, nil
	}
	n, err := c.countedKills(h)
	if removed(err) {
		return 0, nil
	}
	return n, err
}

func (c *Cgroup) countedKills(h *Hierarchy) (uint64, error) {
	name := "/memory.oom_control"
	if c.saved.Layout == V2 {
		name = "/memory.events"
	}
	text, err := readFile(h.dir() + name)
	if err != nil {
		return 0, fault.New(fault.Cgroup, "", err)
	}
	return counter(text, "oom_kill"), nil
}

// counter finds "KEY NUMBER" among lines.
func counter(text, key string) uint64 {
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseUint(rest, 10, 64)
			return n
		}
	}
	return 0
}

// Explain adds to the error of an init that has ended early what the cgroup knows of it.
func (c *Cgroup) Explain(err error) error {
	if err == nil || c.resources == nil {
		return err
	}
	killed, _ := c.OOMKilled()
	// Systemd removes the cgroup, and its counters, at once.
	killed = killed || c.saved.Unit != nil && c.resources.Memory > 0 && c.resources.Memory < smallMemory && !c.Exists()
	if killed {
		return fault.Hint(fault.New(fault.MemoryLow, resourcesField+"memory.limit",
			fmt.Errorf("%s: container init was OOM-killed (memory limit too low?)", err.Error())), // whose code is another
			fmt.Sprintf("the memory limit is %d bytes; give the container more", c.resources.Memory))
	}
	if h := c.hierarchy("pids"); h != nil && c.resources.PidsLimit != nil {
		if text, readErr := readFile(h.dir() + "/pids.events"); readErr == nil && counter(text, "max") > 0 {
			return fault.Hint(fault.New(fault.Cgroup, resourcesField+"pids.limit", fmt.Errorf("%s: the limit of processes was reached", err.Error())),
				fmt.Sprintf("the limit of processes and threads is %d; give the container more", *c.resources.PidsLimit))
		}
	}
	return err
}

// WatchOOM reports each time that the kernel kills for want of memory. The channel is closed once all are reported: when
// end is closed, the cgroup is gone, or ctx ends.
func (c *Cgroup) WatchOOM(ctx context.Context, end <-chan struct{}) (<-chan struct{}, error) {
	h := c.hierarchy("memory")
	if h == nil {
		return nil, fault.New(fault.Unsupported, "", errNoMemory)
	}
	follow, watch := c.followEventfd, watchEventfd
	if c.saved.Layout == V2 {
		follow, watch = c.followInotify, watchInotify
	}
	f, err := watch(h.dir())
	if err != nil {
		return nil, fault.New(fault.Cgroup, "", fmt.Errorf("watch for OOM kills: %w", err))
	}
	seen, err := c.oomKills()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r := &oomReporter{seen: seen, events: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		var wait time.Duration
		select {
		case <-end:
			wait = c.lastOOM()
		case <-ctx.Done():
		case <-done:
		}
		_ = f.SetReadDeadline(time.Now().Add(wait))
	}()
	go func() {
		defer close(r.events)
		defer f.Close()
		defer close(done)
		follow(f, func(kills uint64) bool { return r.report(ctx, kills) })
	}()
	return r.events, nil
}

// lastOOM is how long there may be news of kills once the container's process has ended. The v2 cgroup of a unit is removed
// a moment later, and only then is all known.
func (c *Cgroup) lastOOM() time.Duration {
	if c.saved.Unit == nil || c.saved.Layout != V2 {
		return 0
	}
	return lastWord
}

// oomReporter has what of the kills for want of memory is reported.
type oomReporter struct {
	seen   uint64 // kills
	events chan struct{}
}

// report sends an event for each kill that is new. false says that ctx has ended.
func (r *oomReporter) report(ctx context.Context, kills uint64) bool {
	for ; r.seen < kills; r.seen++ {
		select {
		case r.events <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// followEventfd reports the number of kills whenever it is larger, until there are no notifications any more or report
// returns false. A notification is no kill: each process that wants memory while one is killed gives one, and so does the end
// of the cgroup.
func (c *Cgroup) followEventfd(f *os.File, report func(kills uint64) bool) {
	seen, _ := c.oomKills()
	buf := make([]byte, 8)
	for {
		if _, err := f.Read(buf); err != nil {
			break
		}
		if seen = c.awaitKill(seen); !report(seen) {
			return
		}
	}
	if kills, _, err := c.OOM(); err == nil {
		report(kills)
	}
}

// awaitKill is the number of kills after a notification. That comes before the kill is counted.
func (c *Cgroup) awaitKill(seen uint64) uint64 {
	for wait := time.Millisecond / 4; wait < 100*time.Millisecond; wait *= 2 {
		kills, _, err := c.OOM()
		if err != nil {
			break
		}
		if kills > seen {
			return kills
		}
		time.Sleep(wait)
	}
	return seen
}

// watchEventfd asks the v1 memory controller for notifications (kernel, cgroup-v1/memory.rst, "OOM Control").
func watchEventfd(dir string) (*os.File, error) {
	control, err := open(dir+"/memory.oom_control", unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(control)
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	if err := writeFile(dir+"/cgroup.event_control", strconv.Itoa(fd)+" "+strconv.Itoa(control)); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "eventfd"), nil
}

// watchInotify watches the v2 counters of memory, and then those of the cgroup, which the kernel marks as modified (cgroup-v2.rst, "memory.events").
func watchInotify(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	for _, file := range []struct {
		name string
		mask uint32
	}{{"/memory.events", unix.IN_MODIFY}, {"/cgroup.events", unix.IN_MODIFY | unix.IN_DELETE_SELF}} {
		if _, err := unix.InotifyAddWatch(fd, dir+file.name, file.mask); err != nil {
			_ = unix.Close(fd)
			return nil, &os.PathError{Op: "inotify_add_watch", Path: dir + file.name, Err: err}
		}
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}
