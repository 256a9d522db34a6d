package usage

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/screen"
	"mydocker/internal/size"
)

// Live shows readings in place, until a key or a signal ends it.
type Live struct {
	Read     func() ([]*Usage, error)
	Interval time.Duration
	Order    Order

	last   []*Usage
	paused bool
	top    int // the first container that is shown
}

// Control sequences of the view (ECMA-48, SGR).
const (
	bold    = "\x1b[1m"
	inverse = "\x1b[7m"
	dim     = "\x1b[2m"
	plain   = "\x1b[0m"
)

// Show draws on the screen. The first rates are those of the time first.
func (l *Live) Show(s *screen.Screen, first time.Duration) error {
	if err := l.update(s); err != nil {
		return err
	}
	next := time.NewTimer(first)
	defer next.Stop()
	for {
		select {
		case e := <-s.Events():
			if e == screen.Ended || !l.key(s, e) {
				return nil
			}
			if err := l.draw(s); err != nil {
				return err
			}
		case <-next.C:
			next.Reset(l.Interval)
			if l.paused {
				continue
			}
			if err := l.update(s); err != nil {
				return err
			}
		}
	}
}

func (l *Live) update(s *screen.Screen) (err error) {
	if l.last, err = l.Read(); err != nil {
		return err
	}
	return l.draw(s)
}

// key does what a key says; false ends the view.
func (l *Live) key(s *screen.Screen, e screen.Event) bool {
	rows, _ := s.Size()
	switch e {
	case 'q', 'Q', 4: // 4: Ctrl-D
		return false
	case 'c':
		l.Order = ByCPU
	case 'm':
		l.Order = ByMemory
	case 'p':
		l.Order = ByPids
	case 'i':
		l.Order = ByIO
	case 'n':
		l.Order = ByID
	case ' ':
		l.paused = !l.paused
	case 'j':
		l.top++
	case 'k':
		l.top--
	case 'f':
		l.top += body(rows)
	case 'b':
		l.top -= body(rows)
	}
	return true
}

// body is how many containers a screen shows: there are a title, the names of the columns, and the keys.
func body(rows int) int { return max(1, rows-3) }

func (l *Live) draw(s *screen.Screen) error {
	rows, columns := s.Size()
	return s.Draw(l.frame(rows, columns))
}

// frame is the screen: a title, the table, the keys.
func (l *Live) frame(rows, columns int) []string {
	Sort(l.last, l.Order)
	l.top = max(0, min(l.top, len(l.last)-body(rows)))
	table := Table(l.last, columns)
	shown := table[1:]
	shown = shown[l.top:min(len(shown), l.top+body(rows))]
	lines := make([]string, 0, rows)
	lines = append(lines, bold+Cut(l.title(), columns)+plain)
	lines = append(lines, inverse+table[0]+strings.Repeat(" ", max(0, columns-len([]rune(table[0]))))+plain)
	lines = append(lines, shown...)
	for len(lines) < rows-1 {
		lines = append(lines, "")
	}
	lines = append(lines, dim+Cut(l.keys(len(shown)), columns)+plain)
	return lines[:min(len(lines), rows)]
}

// title sums up.
func (l *Live) title() string {
	var cpu, memory float64
	for _, u := range l.last {
		cpu += u.CPU.Percent
		memory += float64(u.Memory.Used())
	}
	noun := "containers"
	if len(l.last) == 1 {
		noun = "container"
	}
	cpus := runtime.NumCPU() // 1, where package entry has the Go runtime start on one
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) == nil {
		cpus = set.Count()
	}
	title := fmt.Sprintf("%s  %d %s  CPU %s%% of %d00%%  memory %s", time.Now().Format("15:04:05"), len(l.last), noun, percent(cpu),
		cpus, size.Format(memory))
	if l.paused {
		title += "  paused"
	}
	return title
}

func (l *Live) keys(shown int) string {
	keys := "q quit  space pause  sorted by " + string(l.Order) + ": c cpu  m memory  p pids  i io  n id"
	if shown < len(l.last) {
		keys = fmt.Sprintf("%d-%d of %d: j k f b  ", l.top+1, l.top+shown, len(l.last)) + keys
	}
	return keys
}
