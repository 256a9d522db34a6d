package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// crowd runs count commands, atOnce at a time. Each gets a slot, a number below atOnce that no other one has.
func (m *meter) crowd(count, atOnce int, argv func(slot int) []string) error {
	out, err := os.OpenFile(filepath.Join(m.dir, "output"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	type member struct {
		slot  int
		guard *time.Timer
	}
	members := map[int]member{} // by pid
	begin := func(slot int) error {
		pid, err := start(argv(slot), out, nil)
		if err == nil {
			members[pid] = member{slot, time.AfterFunc(patience, func() { _ = unix.Kill(pid, unix.SIGKILL) })}
			count--
		}
		return err
	}
	for slot := range min(atOnce, count) {
		if err := begin(slot); err != nil {
			return err
		}
	}
	var failed error
	for len(members) > 0 {
		pid, status, err := m.next(0)
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		ended, ours := members[pid]
		if !ours {
			continue
		}
		ended.guard.Stop()
		delete(members, pid)
		if !status.Exited() || status.ExitStatus() != 0 {
			text, _ := os.ReadFile(out.Name())
			failed = fmt.Errorf("status %#x: %s", uint32(status), text)
		}
		if count > 0 && failed == nil {
			if err := begin(ended.slot); err != nil {
				failed = err
			}
		}
	}
	return failed
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
