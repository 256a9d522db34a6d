package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// pty FILE COMMAND… runs a command on a terminal of its own, as in a person's hands, and does what the lines of the
// file say:
//
//	> TEXT        types a line; \xNN is a byte
//	>> TEXT       types, and does not end the line: a shell does not list completions while more is to be read
//	< REGEXP      waits until the output, from where the last match has ended, matches
//	size R C      changes the size of the terminal, as a window manager does
//	signal NAME   signals the command: TERM, INT, … or a number
//	file PATH     waits until a file is there
//	run COMMAND   runs a shell command beside it
//	raw, cooked   the terminal has to be (or become) so
//	exit N        the command has to end with this code; 128+n for signal n
//
// The command md is replaced by the runtime itself: timeout(1) would take the terminal from it.
func ptyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pty FILE COMMAND...")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	c := startOnTerminal(ts, args[1:])
	defer c.end()
	for _, line := range lines {
		if err := c.do(line); err != nil {
			ts.Fatalf("%s: %v\noutput: %q", line, err, c.output())
		}
	}
}

// conversation is a command on a terminal.
type conversation struct {
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File // open to look at its attributes
	mu     sync.Mutex
	out    []byte
	seen   int // where the last match has ended
	exited chan struct{}
}

func startOnTerminal(ts *testscript.TestScript, args []string) *conversation {
	master, slave, err := openTerminal()
	ts.Check(err)
	if args[0] == "md" {
		args = append(append([]string{ts.Getenv("RUNTIME"), "--root", ts.Getenv("STATE")}, strings.Fields(os.Getenv("RUNTIME_FLAGS"))...), args[1:]...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "STATE=" + ts.Getenv("STATE"), "HOME=" + ts.Getenv("HOME"), "XDG_RUNTIME_DIR=" + ts.Getenv("XDG_RUNTIME_DIR"), "RUNTIME=" + ts.Getenv("RUNTIME"), "TERM=" + ts.Getenv("TERM")}
	if filepath.Base(args[0]) == args[0] {
		cmd.Path = filepath.Join(ts.Getenv("BIN"), args[0])
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: unix.SIGKILL}
	ts.Check(cmd.Start())
	c := &conversation{cmd: cmd, master: master, slave: slave, exited: make(chan struct{})}
	go c.read()
	go func() {
		_ = cmd.Wait()
		close(c.exited)
	}()
	return c
}

// openTerminal opens a terminal of 30 rows and 100 columns.
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		_ = master.Close()
	}
	return master, slave, err
}

func (c *conversation) read() {
	b := make([]byte, 4096)
	for {
		n, err := c.master.Read(b)
		c.mu.Lock()
		c.out = append(c.out, b[:n]...)
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *conversation) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.out)
}

// end leaves no process behind.
func (c *conversation) end() {
	_ = c.cmd.Process.Kill()
	<-c.exited
	_ = c.slave.Close()
	_ = c.master.Close()
}

func (c *conversation) do(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case ">", ">>":
		text, err := strconv.Unquote(`"` + rest + `"`)
		if err != nil {
			return err
		}
		if verb == ">" {
			text += "\n"
		}
		_, err = c.master.WriteString(text)
		return err
	case "<":
		return c.expect(rest)
	case "size":
		var size unix.Winsize
		if _, err := fmt.Sscan(rest, &size.Row, &size.Col); err != nil {
			return err
		}
		return unix.IoctlSetWinsize(int(c.master.Fd()), unix.TIOCSWINSZ, &size)
	case "signal":
		s := unix.SignalNum("SIG" + rest)
		if n, err := strconv.Atoi(rest); err == nil {
			s = unix.Signal(n)
		}
		return c.cmd.Process.Signal(s)
	case "run":
		return command(c.cmd.Dir, "timeout", "30", "sh", "-c", rest)
	case "file":
		return c.until(func() bool {
			_, err := os.Stat(filepath.Join(c.cmd.Dir, rest))
			return err == nil
		})
	case "raw", "cooked":
		return c.until(func() bool { return c.raw() == (verb == "raw") })
	case "exit":
		return c.exit(rest)
	}
	return errors.New("unknown instruction")
}

// until waits for what has to come. A command that has ended brings nothing more.
func (c *conversation) until(done func() bool) error {
	ended := c.exited
	for deadline := time.Now().Add(retryLimit()); ; time.Sleep(10 * time.Millisecond) {
		if done() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s", retryLimit())
		}
		select {
		case <-ended:
			// The last of its output may still be on its way to the reader.
			ended, deadline = nil, time.Now().Add(Scale(2*time.Second))
		default:
		}
	}
}

func (c *conversation) expect(pattern string) error {
	re, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	return c.until(func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		at := re.FindIndex(c.out[c.seen:])
		if at != nil {
			c.seen += at[1]
		}
		return at != nil
	})
}

func (c *conversation) raw() bool {
	attr, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	return err == nil && attr.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0
}

func (c *conversation) exit(want string) error {
	select {
	case <-c.exited:
	case <-time.After(retryLimit()):
		return fmt.Errorf("it has not ended within %s", retryLimit())
	}
	code := c.cmd.ProcessState.ExitCode()
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	if strconv.Itoa(code) != want {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}
