package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// crowd runs count commands, atOnce at a time. argv is the command line of number n.
func (m *meter) crowd(count, atOnce int, argv func(n int) []string) error {
	out, err := os.OpenFile(filepath.Join(m.dir, "output"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	guards := map[int]*time.Timer{} // by pid
	begun := 0
	begin := func() error {
		pid, err := start(argv(begun), out, nil)
		if err == nil {
			guards[pid] = time.AfterFunc(patience, func() { _ = unix.Kill(pid, unix.SIGKILL) })
			begun++
		}
		return err
	}
	for range min(atOnce, count) {
		if err := begin(); err != nil {
			return err
		}
	}
	var failed error
	for len(guards) > 0 {
		pid, status, err := m.next(0)
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		guard, ours := guards[pid]
		if !ours {
			continue
		}
		guard.Stop()
		delete(guards, pid)
		if !status.Exited() || status.ExitStatus() != 0 {
			text, _ := os.ReadFile(out.Name())
			failed = fmt.Errorf("status %#x: %s", uint32(status), text)
		}
		if begun < count && failed == nil {
			failed = begin()
		}
	}
	return failed
}

// idle waits until there is no child any more.
func (m *meter) idle() error {
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		if m.sweep(); !m.children() {
			return nil
		}
	}
	return errors.New("programs that do not end")
}

// children tells whether there are any.
func (m *meter) children() bool {
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != unix.ECHILD
}

// bindSelf makes a directory in base and a mount of it.
func bindSelf(base string, n int) error {
	dir := filepath.Join(base, fmt.Sprint(n))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// unmountAll undoes bindSelf for the numbers below n.
func unmountAll(base string, n int) {
	for i := range n {
		_ = unix.Unmount(filepath.Join(base, fmt.Sprint(i)), unix.MNT_DETACH)
	}
}

// plural puts n in place of %d, and an s in place of the other % unless n is one.
func plural(format string, n int) string {
	ending := "s"
	if n == 1 {
		ending = ""
	}
	return strings.NewReplacer("%d", fmt.Sprint(n), "%", ending).Replace(format)
}
