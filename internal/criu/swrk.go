package criu

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
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
	pidfd int // of criu

	await  func(first, second int) (bool, error) // of Host
	thread func() error                          // prepares the thread that starts criu: its mount namespace, for one
	placed func(pid int) error
	notify func(script string, pid int, files []*os.File) error

	lazy     bool // pages are to be served until somebody has fetched all
	notified bool // criu has begun
	saved    bool // all is saved, or the rest is served
	serving  bool // criu serves pages, and may be killed at any time
	broken   error
	told     time.Time // when broken, why criu is to give up, came up
	asked    time.Time // when a signal came first
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
	// But who takes the terminal has to be in its foreground group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: c.stdin == nil || c.kind != rpc.CriuReqType_RESTORE, PidFD: &c.pidfd}
	closeDirs := func() {}
	c.removeLog()
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
		entry.Prompt()
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
	defer unix.Close(c.pidfd)
	defer func() {
		_ = conn.Close()
		if err != nil {
			_ = cmd.Process.Kill()
		}
		c.reap()
	}()
	if c.placed != nil {
		if err := c.placed(cmd.Process.Pid); err != nil {
			return err
		}
	}
	return c.talk(conn)
}

// removeLog removes the log of an earlier criu: what that has failed of is not to be taken for this one's reason. A
// configuration file may send the log anywhere, as to /dev/null.
func (c *call) removeLog() {
	if info, err := os.Lstat(c.log); err == nil && info.Mode().IsRegular() {
		_ = os.Remove(c.log)
	}
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
