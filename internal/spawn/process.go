package spawn

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reap waits for the end of the process and returns its status. After it the pid may be another process's. Of Reap
// and Kill one call at a time is allowed.
func (p *Process) Reap() (status unix.WaitStatus) {
	for {
		_, err := unix.Wait4(p.Pid, &status, 0, nil)
		if err != unix.EINTR {
			p.gone = true
			return status
		}
	}
}

// Kill ends the process and waits until it is gone. What was waited for is left alone.
func (p *Process) Kill() {
	if p.Pid > 0 && !p.gone {
		_ = unix.Kill(p.Pid, unix.SIGKILL)
		p.Reap()
	}
}

// Stop sends the process a SIGKILL and does not wait: whoever waits for what it does hears of its end. It may be
// called at any time.
func (p *Process) Stop() {
	_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), unix.SIGKILL, nil, 0)
}

// Ended waits for the end of the process and tells how it was, as "exit status 1" or "signal: SIGKILL". It does not
// reap the process. false means that there is nothing to wait for.
func (p *Process) Ended() (string, bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", false
		}
		break
	}
	// si_status of SIGCHLD lies behind pid and uid, 8 bytes into the union.
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), 24))
	const exited = 1 // CLD_EXITED
	if info.Code == exited {
		return "exit status " + strconv.Itoa(int(status)), true
	}
	return "signal: " + unix.SignalName(unix.Signal(status)), true
}
