package main

import (
	"fmt"
	"os"
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
