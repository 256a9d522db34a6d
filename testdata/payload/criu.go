package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Verbs for what criu has to save.

// serve answers each line of its one client by the number of the line.
func serve(a []string) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // criu knows TCP alone
	l, err := config.Listen(context.Background(), "tcp", a[0])
	if err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(c)
	for n := 1; lines.Scan(); n++ {
		if _, err := fmt.Fprintf(c, "%d %s\n", n, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// unmet listens, takes no connection, and counts.
func unmet(a []string) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", a[0])
	if err != nil {
		return err
	}
	defer l.Close()
	return counter(a[1:])
}

// ask connects to serve, and sends a line and prints the answer each time that a file is there: a.1, a.2, … It has some
// seconds for all.
func ask(a []string) error {
	c, err := net.Dial("tcp", a[0])
	for range 600 {
		if err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
		c, err = net.Dial("tcp", a[0])
	}
	if err != nil {
		return err
	}
	end := time.Now().Add(time.Duration(number(a[3])) * time.Second)
	_ = c.SetDeadline(end)
	answers := bufio.NewReader(c)
	for n := 1; n <= number(a[2]); n++ {
		for {
			if _, err := os.Stat(fmt.Sprintf("%s.%d", a[1], n)); err == nil {
				break
			}
			if time.Now().After(end) {
				return os.ErrDeadlineExceeded
			}
			time.Sleep(20 * time.Millisecond)
		}
		if _, err := fmt.Fprintf(c, "question %d\n", n); err != nil {
			return err
		}
		line, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		fmt.Print(line)
	}
	return nil
}

// lock takes a lock on a file and counts in another one.
func lock(a []string) error {
	f, err := os.Create(a[0])
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	return counter(a[1:])
}

// locked tells whether a file is locked.
func locked(a []string) error {
	f, err := os.Open(a[0])
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Println("locked", unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK)
	return nil
}

// unlinked keeps a file that has a further name open under the one that it removes, and counts in another one.
func unlinked(a []string) error {
	f, err := os.Create(a[0])
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Link(a[0], a[1]); err != nil {
		return err
	}
	if err := os.Remove(a[0]); err != nil {
		return err
	}
	return counter(a[2:])
}

// dial keeps a datagram socket connected to a Unix socket and counts.
func dial(a []string) error {
	c, err := net.Dial("unixgram", a[0])
	if err != nil {
		return err
	}
	defer c.Close()
	return counter(a[1:])
}

// ballast counts with N MiB of memory of which it changes little, and says at the end of each round that they are right.
func ballast(a []string) error {
	b, err := unix.Mmap(-1, 0, number(a[0])<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = byte(i / 4096)
	}
	f, err := os.Create(a[1])
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		for i := 0; i < len(b); i += 4096 {
			if b[i] != byte(i/4096) {
				return fmt.Errorf("page %d has changed", i/4096)
			}
		}
		if _, err := f.WriteAt([]byte(fmt.Sprintf("%12d\n", n)), 0); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
