package cgroups

import (
	"fmt"
	"strconv"
	"strings"
)

// maxListed is beyond what any kernel is built for (CONFIG_NR_CPUS, CONFIG_NODES_SHIFT).
const maxListed = 1 << 16

// parseList checks a list of CPUs or memory nodes, as "0-3,7" (cpuset(7), "List format"), and returns it without
// blanks.
func parseList(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	var b strings.Builder
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		first, last, ranged := strings.Cut(item, "-")
		from, err := listed(first)
		to := from
		if err == nil && ranged {
			to, err = listed(last)
		}
		if err != nil || to < from {
			return "", fmt.Errorf("invalid list %q: %q is neither a number nor a range", s, item)
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(from))
		if ranged {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(to))
		}
	}
	return b.String(), nil
}

func listed(s string) (int, error) {
	if s == "" || s[0] == '+' {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.Atoi(s)
	if err == nil && (n < 0 || n >= maxListed) {
		err = strconv.ErrRange
	}
	return n, err
}
