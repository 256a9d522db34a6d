package main

import (
	"fmt"
	"strconv"
	"strings"

	"mydocker/internal/fault"
)

// maxID is the largest user and group ID: the next one means "no change" to the kernel.
const maxID = 1<<32 - 2

// parseUser parses UID[:GID]. Names are refused, and so is everything else that is not a plain number: nothing falls
// back to 0 (CVE-2016-3697).
func parseUser(s string) (uid uint32, gid *uint32, err error) {
	user, group, hasGroup := strings.Cut(s, ":")
	if uid, err = parseID(user); err != nil {
		return 0, nil, fault.New(fault.Usage, "", fmt.Errorf("invalid user %q: %w", s, err))
	}
	if !hasGroup {
		return uid, nil, nil
	}
	id, err := parseID(group)
	if err != nil {
		return 0, nil, fault.New(fault.Usage, "", fmt.Errorf("invalid group in %q: %w", s, err))
	}
	return uid, &id, nil
}

func parseID(s string) (uint32, error) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is not a number", s)
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxID {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", s, uint32(maxID))
	}
	return uint32(n), nil
}
