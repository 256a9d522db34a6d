package criu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// call is one request to criu.
type call struct {
	kind rpc.CriuReqType
	opts *rpc.CriuOpts
	// images and work are directories, log is a file in work.
	images, work, log string

	stdin *os.File
	// files are criu's descriptors from firstFile on.
	files []*os.File

	await  func(fd int) error // waits until the descriptor can be read; its error ends criu
	thread func() error       // prepares the thread that starts criu: its mount namespace, for one
	placed func(pid int) error
	notify func(script string, pid int, files []*os.File) error
}

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
	cmd.Stdin = c.stdin
	cmd.ExtraFiles = append([]*os.File{theirs}, c.files...)
	// A ^C at the terminal is the command's: criu that dies in the middle leaves processes with its code inside.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.stdin != nil {
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

// talk is the conversation: a request, and then answers to notifications.
func (c *call) talk(conn *os.File) error {
	request := &rpc.CriuReq{Type: &c.kind, Opts: c.opts}
	var broken error
	for {
		if err := send(conn, request); err != nil {
			return c.gone(err)
		}
		if err := c.await(int(conn.Fd())); err != nil {
			return err
		}
		answer, files, err := receive(conn)
		if err != nil {
			return c.gone(err)
		}
		switch {
		case answer.GetType() == rpc.CriuReqType_NOTIFY && answer.GetNotify() != nil:
			n := answer.GetNotify()
			if broken == nil {
				broken = c.notify(n.GetScript(), int(n.GetPid()), files)
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
		return c.failed("it ended without an answer", 0)
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
