// Package usage measures what containers use: it reads their counters again and again and says what has become of them
// in between.
package usage

import (
	"math"
	"strings"
	"time"

	"mydocker/internal/cgroups"
	"mydocker/internal/container"
)

// Usage is what a container uses at a moment. It is a line of `stats --format json`.
type Usage struct {
	Time     time.Time `json:"time"`
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Pid      int       `json:"pid"`
	CPU      CPU       `json:"cpu"`
	Memory   Memory    `json:"memory"`
	Pids     Pids      `json:"pids"`
	IO       IO        `json:"io"`
	Pressure Pressure  `json:"pressure"`
	// Error is why there are no figures, "" if there are.
	Error string `json:"error,omitempty"`
}

// CPU is what the processes have had of the CPUs.
type CPU struct {
	Percent   float64 `json:"percent"`   // since the reading before, of one CPU
	Usage     uint64  `json:"usage"`     // nanoseconds since the cgroup was made
	Throttled uint64  `json:"throttled"` // nanoseconds for which the quota has stopped it
}

// Memory is in bytes.
type Memory struct {
	Usage   uint64   `json:"usage"`             // as the kernel counts it
	Cache   uint64   `json:"cache"`             // of it, pages of files that nobody has used for long: the kernel takes them first
	Max     uint64   `json:"max,omitempty"`     // the highest usage, where the kernel keeps it
	Limit   *uint64  `json:"limit,omitempty"`   // nil without one
	Percent *float64 `json:"percent,omitempty"` // Used, of Limit
	Failcnt uint64   `json:"failcnt"`           // how often the limit was reached
}

// Used is the memory that the container cannot do without.
func (m *Memory) Used() uint64 { return m.Usage - min(m.Cache, m.Usage) }

// Pids counts processes and threads.
type Pids struct {
	Current uint64 `json:"current"`
	Limit   uint64 `json:"limit,omitempty"` // 0 without one
}

// IO is what went to and from block devices.
type IO struct {
	Read      uint64  `json:"read"`  // bytes
	Write     uint64  `json:"write"` // bytes
	ReadRate  float64 `json:"readRate"`
	WriteRate float64 `json:"writeRate"` // bytes a second since the reading before
}

// Pressure is how long processes had to wait for a resource; nil where the kernel does not tell.
type Pressure struct {
	CPU    *cgroups.PSI `json:"cpu,omitempty"`
	Memory *cgroups.PSI `json:"memory,omitempty"`
	IO     *cgroups.PSI `json:"io,omitempty"`
}

// fill sets the figures that one reading gives.
func (u *Usage) fill(s *cgroups.Stats) {
	u.CPU = CPU{Usage: s.CPU.Usage.Total, Throttled: s.CPU.Throttling.ThrottledTime}
	u.Memory = Memory{Usage: s.Memory.Usage.Usage, Cache: idleCache(s.Memory.Raw), Max: s.Memory.Usage.Max, Failcnt: s.Memory.Usage.Failcnt}
	if limit := s.Memory.Usage.Limit; limit > 0 && limit < noLimit {
		percent := 100 * float64(u.Memory.Used()) / float64(limit)
		u.Memory.Limit, u.Memory.Percent = &limit, &percent
	}
	u.Pids = Pids(s.Pids)
	for _, e := range s.Blkio.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			u.IO.Read += e.Value
		case "write":
			u.IO.Write += e.Value
		}
	}
	u.Pressure = Pressure{CPU: s.CPU.PSI, Memory: s.Memory.PSI, IO: s.Blkio.PSI}
}

// noLimit is below what both versions give for no limit: v1 the largest number of pages, v2 the largest number.
const noLimit = math.MaxInt64 &^ 0xfffff

// idleCache is the inactive file memory of memory.stat. That of v1 counts the cgroups below by another name.
func idleCache(raw map[string]uint64) uint64 {
	if n, ok := raw["total_inactive_file"]; ok {
		return n
	}
	return raw["inactive_file"]
}

// compare sets what takes two readings.
func (u *Usage) compare(before *Usage) {
	elapsed := u.Time.Sub(before.Time)
	if elapsed <= 0 {
		return
	}
	u.CPU.Percent = 100 * float64(since(u.CPU.Usage, before.CPU.Usage)) / float64(elapsed)
	u.IO.ReadRate = float64(since(u.IO.Read, before.IO.Read)) / elapsed.Seconds()
	u.IO.WriteRate = float64(since(u.IO.Write, before.IO.Write)) / elapsed.Seconds()
}

// since is the difference of a counter that does not go back.
func since(now, before uint64) uint64 { return now - min(now, before) }

// of reads a container.
func of(c *container.Container) (*Usage, error) {
	state, err := c.State()
	if err != nil {
		return nil, err
	}
	u := &Usage{ID: state.ID, Status: state.Status, Pid: state.Pid}
	if state.Status == container.Stopped || state.Status == container.Creating {
		u.Time = time.Now()
		return u, nil
	}
	s, err := c.Usage()
	u.Time = time.Now()
	if err != nil {
		return u, err
	}
	u.fill(s)
	return u, nil
}
