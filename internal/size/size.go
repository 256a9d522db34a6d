// Package size reads sizes of memory as people write them.
package size

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Parse reads a number of bytes: "1048576", "1m", "1.5GiB", or "-1" for no limit. Units are powers of 1024.
func Parse(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	digits, shift := cutUnit(strings.ToLower(s))
	if strings.Contains(digits, ".") {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || f < 0 || strings.ContainsAny(digits, "xpe_") || f*math.Pow(2, float64(shift)) >= math.MaxInt64 {
			return 0, fmt.Errorf("invalid size %q", s)
		}
		return int64(f * math.Pow(2, float64(shift))), nil
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("invalid size %q", s)
	}
	return int64(n) << shift, nil
}

// cutUnit cuts a unit off, and returns the power of 2 that it stands for: b, or k, m, g, t, p, alone or with b or ib.
func cutUnit(s string) (digits string, shift int) {
	bytes := strings.TrimSuffix(s, "b")
	for i, unit := range []string{"k", "m", "g", "t", "p"} {
		if digits, ok := strings.CutSuffix(bytes, unit); ok {
			return digits, 10 * (i + 1)
		}
		if digits, ok := strings.CutSuffix(s, unit+"ib"); ok {
			return digits, 10 * (i + 1)
		}
	}
	return bytes, 0
}
