package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	lib "github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// deleteWait is how long Delete waits for processes that are on their way out.
const deleteWait = 2 * time.Second

// Delete removes the cgroup, with those that the container has made below it. That it is gone already is no error.
func (c *Cgroup) Delete() error {
	if c.saved.Unit != nil {
		// A systemd that is silent may never have made what there is nothing of.
		if err := c.stopUnit(); err != nil && (fault.Of(err).Code != fault.Timeout || c.Exists()) {
			return err
		}
	}
	var first error
	deadline := time.Now().Add(deleteWait)
	for i := range c.saved.Hierarchies {
		h := &c.saved.Hierarchies[i]
		if h.Path == "" || h.Path == "/" {
			continue
		}
		if err := remove(h.dir(), deadline); err != nil && first == nil {
			first = fault.New(fault.Cgroup, "", err)
		}
	}
	return first
}

// remove removes a cgroup; if that fails, first those below it. One with processes is tried again until deadline.
func remove(dir string, deadline time.Time) error {
	wait := 500 * time.Microsecond
	for {
		err := unix.Rmdir(dir)
		switch err {
		case nil, unix.ENOENT:
			return nil
		case unix.EINTR:
			continue
		}
		if err != unix.EBUSY || time.Now().After(deadline) {
			return removeError(dir, err)
		}
		below, listErr := children(dir)
		if listErr != nil && !errors.Is(listErr, unix.ENOENT) {
			return listErr
		}
		for _, name := range below {
			if err := remove(dir+"/"+name, deadline); err != nil {
				return err
			}
		}
		if len(below) == 0 {
			time.Sleep(wait)
			wait = min(wait*2, 50*time.Millisecond)
		}
	}
}

// removeError tells which processes keep a cgroup. EROFS is what rmdir gives on a read-only mount, even for what is
// not there.
func removeError(dir string, err error) error {
	if err == unix.EROFS && unix.Access(dir, unix.F_OK) == unix.ENOENT {
		return nil
	}
	pids, _ := lib.GetPids(dir)
	result := error(&os.PathError{Op: "remove cgroup", Path: dir, Err: err})
	if len(pids) > 0 {
		return fault.Hint(result, "processes are still in it: "+numbers(pids))
	}
	return result
}

func numbers(pids []int) string {
	var b strings.Builder
	for i, pid := range pids {
		if i == 10 {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(pid))
	}
	return b.String()
}
