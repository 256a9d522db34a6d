package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a command may take on any machine.
const patience = 2 * time.Minute

// cost is what something took. faults are page faults that needed no disk: unlike times, they hardly depend on what
// else the machine does.
type cost struct {
	cpu, wall time.Duration
	faults    int64
}

// meter adds up what is used by the processes that end under it. One at a time may be in use: it takes the exit
// status of any child.
type meter struct {
	dir   string                  // for the output of commands
	used  cost                    // without the wall time
	ended map[int]unix.WaitStatus // children that ended while another one was waited for
}

func (b *bench) newMeter() *meter { return &meter{dir: b.dir, ended: map[int]unix.WaitStatus{}} }

// run does a command to its end and fails, with what it said, unless it exits with 0.
func (m *meter) run(argv []string) error {
	_, err := m.output(argv, nil)
	return err
}

// output is run, and returns what the command writes. extra is a further descriptor for it, number 3.
func (m *meter) output(argv []string, extra *os.File) (string, error) {
	out, err := os.OpenFile(filepath.Join(m.dir, "output"), os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Close()
	pid, err := start(argv, out, extra)
	if err != nil {
		return "", err
	}
	status, err := m.wait(pid)
	text, _ := os.ReadFile(out.Name())
	if err == nil && (!status.Exited() || status.ExitStatus() != 0) {
		err = fmt.Errorf("status %#x", uint32(status))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(text))
	}
	return string(text), nil
}

// start begins a command that reads nothing and writes to out.
func start(argv []string, out, extra *os.File) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), out.Fd(), out.Fd()}
	if extra != nil {
		files = append(files, extra.Fd())
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, Files: files,
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", argv[0], err)
	}
	return pid, nil
}

// wait waits for pid, and takes the others that end meanwhile. A process that does not end is killed.
func (m *meter) wait(pid int) (unix.WaitStatus, error) {
	guard := time.AfterFunc(patience, func() { _ = unix.Kill(pid, unix.SIGKILL) })
	defer guard.Stop()
	for {
		if status, ok := m.ended[pid]; ok {
			return status, nil
		}
		if _, _, err := m.next(0); err != nil {
			return 0, fmt.Errorf("wait: %w", err)
		}
	}
}

// sweep takes the children that have ended already.
func (m *meter) sweep() {
	for {
		if pid, _, err := m.next(unix.WNOHANG); pid <= 0 || err != nil {
			return
		}
	}
}

func (m *meter) next(flags int) (int, unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		var usage unix.Rusage
		pid, err := unix.Wait4(-1, &status, flags, &usage)
		if err == unix.EINTR {
			continue
		}
		if pid > 0 {
			m.used.cpu += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
			m.used.faults += usage.Minflt
			m.ended[pid] = status
		}
		return pid, status, err
	}
}

// pidIn reads a pid file.
func pidIn(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(text)))
}
