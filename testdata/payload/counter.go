package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// counter counts in memory and writes each number to a file. It begins with 1, so that a file that goes on from a
// higher number shows that the process is the same.
func counter(a []string) error {
	f, err := os.OpenFile(a[0], os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if _, err := f.WriteAt([]byte(fmt.Sprintf("%12d\n", n)), 0); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// past fails if a counter has not passed a number.
func past(a []string) error {
	n, err := count(a[0])
	if err == nil && n <= number(a[1]) {
		err = fmt.Errorf("at %d, not past %s", n, a[1])
	}
	return err
}

// counts waits until a counter goes on.
func counts(a []string) error {
	first, err := count(a[0])
	for range 3000 {
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
		var n int
		if n, err = count(a[0]); n > first {
			return nil
		}
	}
	return fmt.Errorf("still at %d", first)
}

func count(name string) (int, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
