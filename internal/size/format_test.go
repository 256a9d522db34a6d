package size_test

import (
	"math"
	"testing"

	"mydocker/internal/size"
)

func TestFormat(t *testing.T) {
	for bytes, want := range map[float64]string{
		0: "0", 0.4: "0", 1: "1", 999: "999", 1000: "1000", 1023: "1023", 1024: "1K", 1536: "1.5K", 10 << 10: "10K",
		999 << 10: "999K", 1000 << 10: "1M", 64 << 20: "64M", 1<<30 + 1<<28: "1.2G", math.MaxUint64: "16E",
	} {
		if got := size.Format(bytes); got != want {
			t.Errorf("%g: %s, want %s", bytes, got, want)
		}
	}
}

// What is printed can be given to the flags that take a size.
func TestFormatIsParsed(t *testing.T) {
	for _, n := range []int64{0, 5, 1023, 1024, 1536, 64 << 20, 3 << 30, 1 << 42} {
		if got, err := size.Parse(size.Format(float64(n))); err != nil || got != n {
			t.Errorf("%d: %s is read as %d, %v", n, size.Format(float64(n)), got, err)
		}
	}
}
