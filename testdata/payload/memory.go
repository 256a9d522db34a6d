package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// memory touches N MiB.
func memory(a []string) error {
	b, err := unix.Mmap(-1, 0, number(a[0])<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	fmt.Println("touched", a[0])
	return nil
}

// huge touches N pages of 2 MiB.
func huge(a []string) error {
	b, err := unix.Mmap(-1, 0, number(a[0])<<21, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_HUGETLB|unix.MAP_HUGE_2MB)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	for i := 0; i < len(b); i += 1 << 21 {
		b[i] = 1
	}
	fmt.Println("huge pages", a[0])
	return nil
}

// disk writes N MiB to a file past the page cache, and says how many whole seconds that took.
func disk(a []string) error {
	fd, err := unix.Open(a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: a[0], Err: err}
	}
	block, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	begin := time.Now()
	for range number(a[1]) {
		if _, err := unix.Write(fd, block); err != nil {
			return &os.PathError{Op: "write", Path: a[0], Err: err}
		}
	}
	fmt.Println("seconds", int(time.Since(begin).Seconds()))
	return nil
}

// busy uses a CPU for N milliseconds of wall time, and prints how much it got.
func busy(a []string) error {
	end := time.Now().Add(time.Duration(number(a[0])) * time.Millisecond)
	for time.Now().Before(end) {
	}
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	fmt.Println("cpu ms", (u.Utime.Nano()+u.Stime.Nano())/1e6)
	return err
}
