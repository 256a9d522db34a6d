package trace_test

import (
	"testing"

	"mydocker/internal/trace"
)

func TestOffCostsNothing(t *testing.T) {
	var l *trace.Log
	n := testing.AllocsPerRun(100, func() {
		start := l.Now()
		l.Done("phase", start)
		l.Add(1, "step", "field", start, start)
		l.Name(1, "init")
	})
	if n != 0 || l.Now() != 0 || l.Close() != nil {
		t.Errorf("%.0f allocations, time %d", n, l.Now())
	}
}
