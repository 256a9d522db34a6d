package cgroups

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// removed tells whether err is that of a file of a cgroup that is not there, or not any more.
func removed(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) }

// Pids are the processes in the cgroup and all below it.
func (c *Cgroup) Pids() ([]int, error) {
	h := c.main()
	if h == nil {
		return nil, nil
	}
	pids, err := processes(nil, h.dir())
	if removed(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Cgroup, "", err)
	}
	return pids, nil
}

// processes appends those of the cgroup and of the cgroups below.
func processes(pids []int, dir string) ([]int, error) {
	text, err := readLines(dir + "/cgroup.procs")
	if errors.Is(err, unix.EOPNOTSUPP) {
		// A threaded cgroup has no processes of its own, its threads belong to some above (cgroups(7)).
		text, err = readLines(dir + "/cgroup.threads")
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.FieldsSeq(text) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, err
		}
		if pid != 0 { // 0: one of another pid namespace
			pids = append(pids, pid)
		}
	}
	below, err := children(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range below {
		more, err := processes(pids, dir+"/"+name)
		if removed(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		pids = more
	}
	return pids, nil
}

// children are the names of the cgroups right below.
func children(dir string) ([]string, error) {
	// The kernel counts them: there is no need to list the files of a cgroup that has none below it.
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Nlink <= 2 {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// killRounds bounds how often Kill looks for processes that were forked meanwhile.
const killRounds = 1000

// Kill sends a signal to every process in the cgroup and below. SIGKILL reaches those too that are forked meanwhile:
// by cgroup.kill (Linux 5.14) where there is a v2 tree, else by killing until there are none. A frozen cgroup is
// thawed for it, since on v1 frozen processes do not die. For other signals the cgroup is frozen meanwhile, so that
// none is missed.
func (c *Cgroup) Kill(sig unix.Signal) error {
	if sig == unix.SIGKILL {
		return c.killAll()
	}
	h := c.main()
	if h == nil {
		return nil
	}
	if frozen, err := c.Frozen(); err == nil && !frozen && sig != 0 && c.Freeze() == nil {
		defer c.thawQuietly()
	}
	pids, err := c.Pids()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if one := unix.Kill(pid, sig); one != nil && one != unix.ESRCH && err == nil {
			err = fault.New(fault.Permission, "", os.NewSyscallError("kill process "+strconv.Itoa(pid), one))
		}
	}
	return err
}

func (c *Cgroup) thawQuietly() { _ = c.Thaw() }

func (c *Cgroup) killAll() error {
	if h := c.unified(); h != nil {
		err := writeFile(h.dir()+"/cgroup.kill", "1")
		if c.saved.Layout == V2 && (err == nil || errors.Is(err, unix.ENOENT) && !c.Exists()) {
			return nil
		}
	}
	thawed := false
	for round := range killRounds {
		pids, err := c.Pids()
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return fault.New(fault.Permission, "", os.NewSyscallError("kill process "+strconv.Itoa(pid), err))
			}
		}
		if !thawed {
			c.thawQuietly()
			thawed = true
		}
		time.Sleep(min(time.Duration(round+1)*200*time.Microsecond, 10*time.Millisecond))
	}
	return fault.New(fault.Timeout, "", errors.New("processes of the container do not end"))
}
