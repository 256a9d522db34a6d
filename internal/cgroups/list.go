package cgroups

import (
	"fmt"
	"slices"
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
	err := eachItem(s, func(from, to int, ranged bool) {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(from))
		if ranged {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(to))
		}
	})
	if err != nil {
		return "", err
	}
	return b.String(), nil
}

// eachItem calls f for each number, and range of numbers with its ends, of a list.
func eachItem(s string, f func(from, to int, ranged bool)) error {
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		first, last, ranged := strings.Cut(item, "-")
		from, err := listed(first)
		to := from
		if err == nil && ranged {
			to, err = listed(last)
		}
		if err != nil || to < from {
			return fmt.Errorf("invalid list %q: %q is neither a number nor a range", s, item)
		}
		f(from, to, ranged)
	}
	return nil
}

// notIn finds a number of one list that is not in the other. Of an empty other one nothing is known.
func notIn(given, have string) (int, bool) {
	if given == "" || have == "" {
		return 0, false
	}
	there := numbersOf(have)
	for _, n := range numbersOf(given) {
		if !slices.Contains(there, n) {
			return n, true
		}
	}
	return 0, false
}

// numbersOf are the numbers of a list that is valid.
func numbersOf(list string) (all []int) {
	_ = eachItem(list, func(from, to int, _ bool) {
		for n := from; n <= to; n++ {
			all = append(all, n)
		}
	})
	return all
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
