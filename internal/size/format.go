package size

import (
	"math"
	"strconv"
)

// Format writes a number of bytes for people, in at most 6 characters: "0", "1023", "1.5K", "64M". Units are powers of
// 1024, so that Parse reads it.
func Format(bytes float64) string {
	units := []string{"", "K", "M", "G", "T", "P", "E"}
	i := 0
	for bytes >= 999.5 && i < len(units)-1 && !(i == 0 && bytes < 1024) {
		bytes /= 1024
		i++
	}
	if i == 0 || bytes >= 9.95 {
		return strconv.FormatFloat(math.Round(bytes), 'f', 0, 64) + units[i]
	}
	tenths := strconv.FormatFloat(bytes, 'f', 1, 64)
	if n := len(tenths); tenths[n-1] == '0' {
		tenths = tenths[:n-2]
	}
	return tenths + units[i]
}
