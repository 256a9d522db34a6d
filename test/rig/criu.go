package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// criu sets what criu needs to work here: a setting, and its directory on the PATH.
func criu(ts *testscript.TestScript, _ bool, _ []string) {
	works, setting := criuWorks()
	path, err := exec.LookPath("criu")
	if !works || err != nil {
		return
	}
	name, value, _ := strings.Cut(setting, "=")
	ts.Setenv(name, value)
	ts.Setenv("PATH", ts.Getenv("BIN")+":"+filepath.Dir(path)+":"+ts.Getenv("PATH"))
}

// noBreakpoints is a setting of criu: it then does without the processor's debug registers (criu's
// fault-injection.h, FI_NO_BREAKPOINTS). There are virtual machines whose kernel takes a breakpoint that then never comes.
const noBreakpoints = "CRIU_FAULT=130"

// criuWorks tells whether criu can save a process here, and the setting that it needs for that. CRIU in the environment
// asks for these scripts: they take longer than all others.
var criuWorks = sync.OnceValues(func() (works bool, setting string) {
	path, err := exec.LookPath("criu")
	if os.Getenv("CRIU") == "" {
		return false, ""
	}
	if err != nil || os.Geteuid() != 0 || exec.Command(path, "check").Run() != nil {
		return false, ""
	}
	for _, setting := range []string{"CRIU_FAULT=", noBreakpoints} {
		if criuSaves(path, setting) {
			return true, setting
		}
	}
	return false, ""
})

// criuHas tells whether criu works, and has a feature: one of `criu check --feature`, or tcp, or lazy.
func criuHas(feature string) bool {
	if works, _ := criuWorks(); !works {
		return false
	}
	switch feature {
	case "tcp":
		return socketsHavePassCred()
	case "lazy":
		return criuHas("uffd-noncoop") && pipesMayBeLarge()
	}
	return exec.Command("criu", "check", "--feature", feature).Run() == nil
}

// socketsHavePassCred tells whether TCP sockets have an option that criu reads, and that Linux 6.16 has taken from them;
// a later criu knows.
func socketsHavePassCred() bool {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Close(fd) }()
	_, err = syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_PASSCRED)
	return err == nil
}

// pipesMayBeLarge tells whether a pipe can be larger than /proc/sys/fs/pipe-max-size lets a process make it that has no
// CAP_SYS_RESOURCE (pipe(7)): in such a one criu keeps the pages that are to be fetched.
func pipesMayBeLarge() bool {
	r, w, err := os.Pipe()
	if err != nil {
		return false
	}
	defer r.Close()
	defer w.Close()
	_, err = unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4<<20)
	return err == nil
}

// criuSaves has criu save a process that sleeps.
func criuSaves(path, setting string) bool {
	dir, err := os.MkdirTemp("", "criu")
	if err != nil {
		return false
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sleep := exec.Command("sleep", "300")
	sleep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if sleep.Start() != nil {
		return false
	}
	defer func() { _ = sleep.Wait() }()
	defer func() { _ = sleep.Process.Kill() }()
	ctx, cancel := context.WithTimeout(context.Background(), Scale(20*time.Second))
	defer cancel()
	dump := exec.CommandContext(ctx, path, "dump", "-D", dir, "-t", strconv.Itoa(sleep.Process.Pid))
	dump.Env = append(os.Environ(), setting)
	return dump.Run() == nil
}
