package criu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// call is one request to criu.
type call struct {
	kind rpc.CriuReqType
	opts *rpc.CriuOpts
	// images and work are directories, log is a file, by default in work.
	images, work, log string
	settings          map[string]string // of criu's configuration file, which go before opts

	stdin *os.File
	// files are criu's descriptors from firstFile on.
	files []*os.File
	cmd   *exec.Cmd

	await  func(fd int) error // waits until the descriptor can be read, or criu is to end; nil waits whatever comes
	grace  time.Duration      // how long criu may clean up when it is to end, before it is killed
	thread func() error       // prepares the thread that starts criu: its mount namespace, for one
	placed func(pid int) error
	notify func(script string, pid int, files []*os.File) error
}

// grace is how long criu may take to end the processes that it has half made. Who deletes a container that is being
// restored waits longer.
const grace = 2 * time.Second

// firstFile is the number that files[0] has in criu: 3 is the socket.
const firstFile = 4

// inherit hands a file to criu and returns its number there.
func (c *call) inherit(f *os.File) int32 {
	c.files = append(c.files, f)
	return int32(firstFile + len(c.files) - 1)
}

// run starts criu, sends it the request, and serves its notifications until it has answered.
func (c *call) run(path string) (err error) {
	conn, theirs, err := pair()
	if err != nil {
		return err
	}
	defer conn.Close()
	cmd := exec.Command(path, "swrk", "3")
	c.cmd, cmd.Stdin = cmd, c.stdin
	cmd.ExtraFiles = append([]*os.File{theirs}, c.files...)
	// A ^C at the terminal is the command's: criu that dies in the middle leaves processes with its code inside.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.stdin != nil && c.kind == rpc.CriuReqType_RESTORE {
		cmd.SysProcAttr = nil // who takes the terminal has to be in its foreground group
	}
	closeDirs := func() {}
	// What an earlier criu has failed of is not to be taken for this one's reason.
	_ = os.Remove(c.log)
	err = onThread(func() error {
		if c.thread != nil {
			if err := c.thread(); err != nil {
				return err
			}
		}
		// In the mount namespace in which criu mounts something there.
		if closeDirs, err = c.openDirs(); err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return fault.New(fault.CRIU, "", fmt.Errorf("start criu: %w", err))
		}
		return nil
	})
	defer closeDirs()
	_ = theirs.Close()
	if err != nil {
		return err
	}
	defer func() {
		// After an answer it ends by itself when it sees the socket closed.
		_ = conn.Close()
		if err != nil {
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait()
	}()
	if c.placed != nil {
		if err := c.placed(cmd.Process.Pid); err != nil {
			return err
		}
	}
	return c.talk(conn)
}

// talk is the conversation: a request, and then answers to notifications. After an error of ours, broken, the answers
// say so, for criu to clean up: one that is killed in the middle leaves processes that are half made.
func (c *call) talk(conn *os.File) error {
	request := &rpc.CriuReq{Type: &c.kind, Opts: c.opts}
	var broken error
	for {
		err := send(conn, request)
		if err == nil && broken == nil && c.await != nil {
			broken = c.await(int(conn.Fd()))
		}
		if broken != nil && (err != nil || !readable(conn, c.grace)) {
			return broken
		}
		var answer *rpc.CriuResp
		var files []*os.File
		if err == nil {
			answer, files, err = receive(conn)
		}
		if err != nil {
			return errors.Join(broken, c.gone(err))
		}
		switch {
		case answer.GetType() == rpc.CriuReqType_NOTIFY && answer.GetNotify() != nil:
			n := answer.GetNotify()
			if broken == nil {
				broken = c.notify(n.GetScript(), int(n.GetPid()), files)
			} else {
				closeAll(files)
			}
			ok, kind := broken == nil, rpc.CriuReqType_NOTIFY
			request = &rpc.CriuReq{Type: &kind, NotifySuccess: &ok}
		case broken != nil:
			return broken
		case answer.GetSuccess():
			return nil
		default:
			return c.failed(answer.GetCrErrmsg(), answer.GetCrErrno())
		}
	}
}

// gone is the error of a criu that has ended without an answer.
func (c *call) gone(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		_ = c.cmd.Wait()
		return c.failed("it ended without an answer: "+c.cmd.ProcessState.String(), 0)
	}
	return fault.New(fault.CRIU, "", fmt.Errorf("talk to criu: %w", err))
}

// openDirs opens the directories for criu, which reaches them through /proc/PID/fd of this process.
func (c *call) openDirs() (close func(), err error) {
	images, err := os.Open(c.images)
	if err != nil {
		return func() {}, fault.Hint(fault.New(fault.Usage, "", fmt.Errorf("open image directory: %w", err)), "give the directory of the image files by --image-path")
	}
	work, err := os.Open(c.work)
	if err != nil {
		return func() { _ = images.Close() }, fault.New(fault.Usage, "", fmt.Errorf("open work directory: %w", err))
	}
	c.opts.ImagesDirFd, c.opts.WorkDirFd = ptr(int32(images.Fd())), ptr(int32(work.Fd()))
	return func() { _, _ = images.Close(), work.Close() }, nil
}

// onThread runs f on a thread that ends with it: Go must not run anything else in another mount namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go onOwnThread(done, f)
	return <-done
}

// onOwnThread runs f on a thread that ends with it. The main thread is not for that, /proc/self being its view: while
// it is taken, another goroutine gets another one.
func onOwnThread(done chan<- error, f func() error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		inner := make(chan error, 1)
		go onOwnThread(inner, f)
		done <- <-inner
		runtime.UnlockOSThread()
		return
	}
	done <- f()
}

// readable waits for a message, or the end.
func readable(conn *os.File, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(conn.Fd()), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}

func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "criu"), os.NewFile(uintptr(fds[1]), "swrk"), nil
}

func send(conn *os.File, m *rpc.CriuReq) error {
	b, err := m.MarshalVT()
	if err != nil {
		return err
	}
	for {
		err := unix.Sendmsg(int(conn.Fd()), b, nil, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// maxAnswer is more than any answer has: messages of criu hold a text and a few numbers.
const maxAnswer = 64 << 10

// receive reads one message, with the descriptors that came with it.
func receive(conn *os.File) (*rpc.CriuResp, []*os.File, error) {
	b, oob := make([]byte, maxAnswer), make([]byte, unix.CmsgSpace(4*4))
	var n, oobn int
	var err error
	for {
		n, oobn, _, _, err = unix.Recvmsg(int(conn.Fd()), b, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, nil, err
	}
	files, err := received(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	m := &rpc.CriuResp{}
	return m, files, m.UnmarshalVT(b[:n])
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

func received(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, fmt.Errorf("control message: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "from criu"))
		}
	}
	return files, nil
}
