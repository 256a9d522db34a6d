package signals

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Suspend stops this process as SIGTSTP does where nobody catches it, and returns when it is continued; at once where no
// shell could continue it (setpgid(2), "orphaned process group"). os/signal keeps its handler of a signal that it has
// reset, so the default has to be set here. The signal goes to this thread: then it has been taken when tgkill(2)
// returns.
func Suspend() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old sigaction
	set(unix.SIGTSTP, &sigaction{}, &old)
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTSTP)
	set(unix.SIGTSTP, &old, nil)
}
