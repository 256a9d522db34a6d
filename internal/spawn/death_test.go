package spawn

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leaveOrphan starts a child that waits at the gate that argument 1 names, tells its pid and waits to be killed.
func leaveOrphan() {
	stay := func(pid int) error {
		fmt.Println(pid)
		for {
			time.Sleep(time.Hour)
		}
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		os.Exit(1)
	}
	c := &Command{Exe: exe, Args: []string{"facts"}, Files: []*os.File{nil, nil, nil}, New: unix.CLONE_NEWUTS | unix.CLONE_NEWUSER}
	switch os.Args[1] {
	case "placed":
		c.Placed = stay
	case "mapped":
		c.Mapped = stay
	case "mapped later":
		c.New |= unix.CLONE_NEWTIME
		c.Mapped = stay
	}
	_, err = c.Start()
	fmt.Println(err)
	os.Exit(1)
}

// A child whose parent is killed ends, whatever gate it waits at.
func TestParentDies(t *testing.T) {
	needRoot(t)
	for _, gate := range []string{"placed", "mapped", "mapped later"} {
		t.Run(gate, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Args = []string{"orphan", gate}
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			pid, _ := strconv.Atoi(strings.TrimSpace(line))
			var fd int
			if err == nil && pid > 0 {
				fd, err = unix.PidfdOpen(pid, 0)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if err != nil || pid == 0 {
				t.Fatalf("child %q: %v", line, err)
			}
			defer unix.Close(fd)
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			deadline := time.Now().Add(time.Minute)
			for time.Now().Before(deadline) {
				if n, _ := unix.Poll(poll, 1000); n == 1 {
					return
				}
			}
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			t.Error("child outlived its parent by a minute")
		})
	}
}
