package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// exchange A B exchanges two names, once.
func exchange(a []string) error {
	return unix.Renameat2(unix.AT_FDCWD, a[0], unix.AT_FDCWD, a[1], unix.RENAME_EXCHANGE)
}

// race A B SEED exchanges two names until its input ends, an even number of times: at the end the names are as they
// were. Pauses are drawn from the seed, up to half a millisecond: those of a runtime between looking and doing are of
// that kind.
func race(a []string) error {
	seed, err := strconv.ParseInt(a[2], 10, 64)
	if err != nil {
		return err
	}
	var done atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		done.Store(true)
	}()
	random := rand.New(rand.NewSource(seed))
	rounds := 0
	for missing := 0; !done.Load() || rounds%2 != 0; rounds++ {
		err := exchange(a)
		for ; err == unix.ENOENT && missing < 1000; missing++ { // a runtime makes one of them anew
			time.Sleep(time.Millisecond)
			err = exchange(a)
		}
		if err != nil {
			return err
		}
		// A sleep is never shorter than the timer's slack: the short pauses are spent busy.
		pause := time.Duration(random.Intn(500)) * time.Microsecond
		if pause > 100*time.Microsecond {
			time.Sleep(pause)
			continue
		}
		for end := time.Now().Add(pause); time.Now().Before(end); {
		}
	}
	fmt.Println(rounds)
	return nil
}
