package container

import (
	"fmt"
	"os"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/notify"
	"mydocker/internal/signals"
)

// notifyAddress is the service manager's socket that the program's notifications are to reach, "" without. A
// config.json with a NOTIFY_SOCKET of its own has made other arrangements.
func notifyAddress(spec *specs.Spec) string {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" || spec.Process == nil {
		return ""
	}
	for _, v := range spec.Process.Env {
		if strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			return ""
		}
	}
	return address
}

// makeNotifyDir makes the directory that the container sees, in which start makes the socket.
func (b *creation) makeNotifyDir() error {
	if b.options.NotifyDir == "" {
		return nil
	}
	if err := unix.Mkdir(b.options.NotifyDir, 0o755); err != nil {
		return fault.New(fault.StateDirectory, "", &os.PathError{Op: "mkdir", Path: b.options.NotifyDir, Err: err})
	}
	// Whatever the umask says, the container's users have to reach the socket.
	if err := unix.Chmod(b.options.NotifyDir, 0o755); err != nil {
		return fault.New(fault.StateDirectory, "", &os.PathError{Op: "chmod", Path: b.options.NotifyDir, Err: err})
	}
	return nil
}

// listenNotify makes the container's notify socket. The manager of this very command goes before that of create.
func (c *Container) listenNotify() (err error) {
	if c.rec.Notify == "" {
		return nil
	}
	address := c.rec.Notify
	if own := os.Getenv("NOTIFY_SOCKET"); own != "" {
		address = own
	}
	if c.relay, err = notify.Listen(c.path(notifyDir), address); err != nil {
		return fault.New(fault.StateDirectory, "", err)
	}
	return nil
}

// awaitReady relays until the program is ready, has ended, or has had its time.
func (c *Container) awaitReady(catcher *signals.Catcher) error {
	if c.relay == nil {
		return nil
	}
	init, err := c.rec.Init.open()
	if err != nil {
		return nil
	}
	defer init.Close()
	wait, err := newWatch(notify.Patience, c.relay.Fd(), int(init.Fd()))
	if err != nil {
		return fault.New(fault.Internal, "", err)
	}
	defer wait.close()
	for {
		ended := !c.rec.Init.alive()
		ready, err := c.relay.Forward(c.rec.Init.Pid)
		switch {
		case err != nil:
			// The container runs, whoever hears of it.
			logrus.Warn(err)
			return nil
		case ready || ended:
			return nil
		case wait.expired():
			logrus.Warnf("container %s has not said READY=1 within %s: its later notifications are lost", c.rec.ID, notify.Patience)
			return nil
		}
		if err := catcher.Await(wait.fd); err != nil {
			return err
		}
	}
}

// relayNotify relays in the background. The function that it returns waits until what the program has said before
// its end is passed on.
func (c *Container) relayNotify() (stop func()) {
	if c.relay == nil {
		return func() {}
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		logrus.Warnf("relay notifications: %v", err)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		warned := false
		fds := []unix.PollFd{{Fd: int32(c.relay.Fd()), Events: unix.POLLIN}, {Fd: int32(p[0])}}
		for fds[1].Revents == 0 {
			if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
				return
			}
			for ready := true; ready; {
				var err error
				// Whatever becomes of them, the messages have to be taken: the program would wait for room.
				if ready, err = c.relay.Forward(0); err != nil && !warned {
					logrus.Warn(err)
					warned = true
				}
			}
		}
	}()
	return func() {
		_ = unix.Close(p[1])
		<-done
		_ = unix.Close(p[0])
	}
}

// watch is a descriptor that can be read when one of several can, or a time is over.
type watch struct{ fd, timer int }

func newWatch(limit time.Duration, fds ...int) (*watch, error) {
	w := &watch{fd: -1, timer: -1}
	var err error
	if w.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if w.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err == nil {
		err = unix.TimerfdSettime(w.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(limit.Nanoseconds())}, nil)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("make timer: %w", err)
	}
	for _, fd := range append(fds, w.timer) {
		if err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			w.close()
			return nil, os.NewSyscallError("epoll_ctl", err)
		}
	}
	return w, nil
}

func (w *watch) expired() bool {
	var b [8]byte
	n, _ := unix.Read(w.timer, b[:])
	return n == len(b)
}

func (w *watch) close() {
	if w.timer >= 0 {
		_ = unix.Close(w.timer)
	}
	_ = unix.Close(w.fd)
}
