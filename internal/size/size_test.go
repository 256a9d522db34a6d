package size_test

import (
	"math"
	"strconv"
	"testing"

	"mydocker/internal/size"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "-1": -1, "1k": 1 << 10, "64m": 64 << 20, "64M": 64 << 20, "64MB": 64 << 20, "64MiB": 64 << 20,
		"1.5g": 3 << 29, "2t": 2 << 40, "1p": 1 << 50, "9223372036854775807": math.MaxInt64, "10b": 10,
	} {
		if got, err := size.Parse(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "-2", "-1k", "m", "1x", "1 m", "1e3", "0x10", "1_000", "NaN", "inf", "9223372036854775808", "8388608t", "1kk",
		"1..5m", ".", "1ib", "1bb", "1ii", "bi",
	} {
		if got, err := size.Parse(s); err == nil {
			t.Errorf("%q became %d", s, got)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"64m", "1.5GiB", "-1", "", "9223372036854775807p", "1e9", "+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := size.Parse(s)
		if err != nil {
			return
		}
		if n < -1 || s == "" {
			t.Errorf("%q became %d", s, n)
		}
		if plain, err := strconv.ParseInt(s, 10, 64); err == nil && plain != n {
			t.Errorf("%q became %d", s, n)
		}
	})
}
