package criu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// once is the time in which signals are one: timeout(1) sends its own to the command and to its process group.
const once = time.Second

// postDump is the notification that all is saved, but for lazy pages.
const postDump = "post-dump"

// talk is the conversation: a request, and then answers to notifications.
func (c *call) talk(conn *os.File) error {
	request := &rpc.CriuReq{Type: &c.kind, Opts: c.opts}
	for {
		err := send(conn, request)
		if err == nil {
			err = c.next(int(conn.Fd()))
		}
		var answer *rpc.CriuResp
		var files []*os.File
		if err == nil {
			answer, files, err = receive(conn)
		}
		switch {
		case err != nil && c.broken != nil:
			return c.uncleaned(c.broken)
		case err != nil:
			return c.uncleaned(c.gone(err))
		case answer.GetType() == rpc.CriuReqType_NOTIFY && answer.GetNotify() != nil:
			request = c.reply(answer.GetNotify(), files)
		case answer.GetSuccess() && (c.broken == nil || c.kind != rpc.CriuReqType_RESTORE):
			return nil // a dump was further than the signal that was to end it
		case c.broken != nil:
			return c.broken
		default:
			return c.failed(answer.GetCrErrmsg(), answer.GetCrErrno())
		}
	}
}

// reply answers a notification. After an error of ours it says so, for criu to clean up.
func (c *call) reply(n *rpc.CriuNotify, files []*os.File) *rpc.CriuReq {
	c.notified = true
	if n.GetScript() == postDump {
		// criu's code is not in the processes any more. Lazy pages are served now, even for who wants it to give up.
		c.saved, c.serving, c.told = true, c.lazy, time.Now()
	}
	if c.broken == nil {
		c.giveUp(c.notify(n.GetScript(), int(n.GetPid()), files))
	} else {
		closeAll(files)
	}
	ok, kind := c.broken == nil, rpc.CriuReqType_NOTIFY
	return &rpc.CriuReq{Type: &kind, NotifySuccess: &ok}
}

func (c *call) giveUp(err error) {
	c.broken, c.told = err, time.Now()
}

// next waits for criu's next message. A signal ends a call when the next notification is answered: a criu that is killed
// in the middle leaves processes that are half made, or with its code inside. An error says that there is no message:
// criu has ended, though processes that it has made may have its end of the socket still, or is to be killed, by a
// further signal or since a restore has not been given up in time.
func (c *call) next(conn int) error {
	for c.broken == nil || c.kind != rpc.CriuReqType_RESTORE && !c.serving {
		_, err := c.await(conn, c.pidfd)
		first := err != nil && c.asked.IsZero() && !c.serving
		if first {
			c.ask(err)
		}
		switch {
		case readable(conn, 0): // the last message comes with the end, and may come with a signal
			return nil
		case err == nil:
			return io.EOF
		case first, time.Since(c.asked) < once:
		default:
			c.broken = err
			return err
		}
	}
	if readable(conn, time.Until(c.told.Add(grace)), c.pidfd) && readable(conn, 0) {
		return nil
	}
	return io.EOF
}

// ask has criu give up since a signal wants it.
func (c *call) ask(err error) {
	c.asked = time.Now()
	if c.broken == nil {
		c.giveUp(err)
	}
	if c.kind != rpc.CriuReqType_RESTORE && !c.saved {
		logrus.Warn("criu is told to give up at its next step; a further signal, a second later, kills it, and may damage the container")
	}
}

// readable waits until one of the descriptors can be read.
func readable(fd int, wait time.Duration, others ...int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for _, other := range others {
		fds = append(fds, unix.PollFd{Fd: int32(other), Events: unix.POLLIN})
	}
	for deadline := time.Now().Add(wait); ; {
		n, err := unix.Poll(fds, int(max(time.Until(deadline), 0).Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

// reap waits for criu, which ends by itself when it sees the socket closed; one that does not is killed.
func (c *call) reap() {
	if !readable(c.pidfd, grace) {
		_ = c.cmd.Process.Kill()
	}
	_ = c.cmd.Wait()
}

// gone is the error of a criu that has ended without an answer.
func (c *call) gone(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return fault.New(fault.CRIU, "", fmt.Errorf("talk to criu: %w", err))
	}
	c.reap()
	reason := "it ended without an answer: " + c.cmd.ProcessState.String()
	if c.cmd.ProcessState.Exited() {
		return c.failed(reason, 0)
	}
	return c.failure(reason) // what it has logged was not the end of it
}

// uncleaned says what a criu that was killed may have left of a dump.
func (c *call) uncleaned(err error) error {
	if c.kind != rpc.CriuReqType_DUMP || !c.notified {
		return err
	}
	return fault.Hint(err, "criu has not cleaned up: it may have left the container's network locked, which `checkpoint --leave-running` unlocks")
}
