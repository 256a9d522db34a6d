package usage

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"

	"mydocker/internal/container"
)

// Meter reads the containers of a store.
type Meter struct {
	store  *container.Store
	ids    []string // nil for all
	all    bool     // those too that have stopped
	before map[string]*Usage
}

// NewMeter makes a meter of the named containers, or, without names, of those that are there at each reading. all takes
// in those that have stopped; a container that was named is shown in any case.
func NewMeter(s *container.Store, ids []string, all bool) *Meter {
	if len(ids) == 0 {
		ids = nil
	}
	return &Meter{store: s, ids: ids, all: all}
}

// ErrGone says that none of the containers that were asked for is there any more.
var ErrGone = errors.New("the containers are gone")

// Read reads the counters. Rates are those since the reading before; the first has none. A container may end or be
// deleted at any moment: then it is not there, which at the first reading is an error for one that was named.
func (m *Meter) Read() ([]*Usage, error) {
	ids, err := m.present()
	if err != nil {
		return nil, err
	}
	now := make(map[string]*Usage, len(ids))
	read := make([]*Usage, 0, len(ids))
	for _, id := range ids {
		u, err := m.one(id)
		if errors.Is(err, container.ErrNotExist) && (m.ids == nil || m.before != nil) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if u.Status == container.Stopped && !m.all && m.ids == nil {
			continue
		}
		if b := m.before[id]; b != nil && b.Pid == u.Pid && u.Error == "" {
			u.compare(b)
		}
		now[id] = u
		read = append(read, u)
	}
	m.before = now
	if m.ids != nil && len(read) == 0 {
		return nil, ErrGone
	}
	return read, nil
}

// present are the names to look for.
func (m *Meter) present() ([]string, error) {
	if m.ids != nil {
		return m.ids, nil
	}
	entries, err := os.ReadDir(m.store.Root)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && container.CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// one reads a container. What fails because it has just ended does not count.
func (m *Meter) one(id string) (*Usage, error) {
	c, err := m.store.Load(id)
	if err != nil {
		return m.broken(id, err)
	}
	defer c.Close()
	u, err := of(c)
	if err == nil {
		return u, nil
	}
	again, loadErr := m.store.Load(id)
	if loadErr != nil {
		return m.broken(id, loadErr)
	}
	defer again.Close()
	state, stateErr := again.State()
	switch {
	case stateErr != nil:
		return m.broken(id, stateErr)
	case state.Status == container.Stopped || u == nil:
		return &Usage{ID: id, Status: state.Status, Pid: state.Pid}, nil
	}
	u.Error = err.Error()
	return u, nil
}

// broken shows a container whose state cannot be read, unless it was named or is not there.
func (m *Meter) broken(id string, err error) (*Usage, error) {
	if m.ids != nil || errors.Is(err, container.ErrNotExist) {
		return nil, err
	}
	return &Usage{ID: id, Status: "unknown", Error: err.Error()}, nil
}

// Order is what readings are sorted by.
type Order string

// The orders. All but ID have the largest first.
const (
	ByID     Order = "id"
	ByCPU    Order = "cpu"
	ByMemory Order = "memory"
	ByPids   Order = "pids"
	ByIO     Order = "io"
)

// Orders are all of them.
func Orders() []Order { return []Order{ByCPU, ByMemory, ByPids, ByIO, ByID} }

// Sort sorts readings, those that are equal by their IDs.
func Sort(all []*Usage, by Order) {
	weight := func(u *Usage) float64 {
		switch by {
		case ByCPU:
			return u.CPU.Percent
		case ByMemory:
			return float64(u.Memory.Used())
		case ByPids:
			return float64(u.Pids.Current)
		case ByIO:
			return u.IO.ReadRate + u.IO.WriteRate
		}
		return 0
	}
	slices.SortFunc(all, func(a, b *Usage) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), strings.Compare(a.ID, b.ID))
	})
}
