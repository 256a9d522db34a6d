// Package tty joins the caller's terminal to that of a process in the foreground.
package tty

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"mydocker/internal/stdio"
)

// Terminal is a pty whose master is joined to the caller's standard streams.
type Terminal struct {
	master *os.File
	saved  *unix.Termios // nil when the caller's stdin is no terminal
	output chan struct{} // closed when all output is copied

	copied  atomic.Int64 // bytes of output
	writing atomic.Bool  // some is being written
}

// Attach copies between the master of a pty, which it then owns, and the caller's standard streams. Where stdin is a
// terminal it is set to raw mode, and its size goes to the pty. The caller has to catch signals before: one that ended
// it would leave the terminal raw.
func Attach(master *os.File) (*Terminal, error) {
	t := &Terminal{master: master, output: make(chan struct{})}
	if err := clearONLCR(int(master.Fd())); err != nil {
		return nil, err
	}
	stdin := int(os.Stdin.Fd())
	if saved, err := unix.IoctlGetTermios(stdin, unix.TCGETS); err == nil {
		if err := setRaw(stdin, *saved); err != nil {
			return nil, err
		}
		t.saved = saved
		t.Resize()
	}
	go t.copyInput()
	go t.copyOutput()
	return t, nil
}

// copyOutput ends with EIO: the last descriptor of the terminal is closed. When nobody reads standard output any more the
// rest is dropped, for the processes to go on as in a terminal that nobody looks at.
func (t *Terminal) copyOutput() {
	defer close(t.output)
	buf := make([]byte, 32<<10)
	for read := true; ; {
		n, err := t.master.Read(buf)
		if n > 0 && read {
			t.writing.Store(true)
			_, failed := stdio.Out.Write(buf[:n])
			read = failed == nil
			t.copied.Add(int64(n))
			t.writing.Store(false)
		}
		if err != nil {
			return
		}
	}
}

// copyInput ends when stdin does. The processes read an end of file then, if stdin was no terminal.
func (t *Terminal) copyInput() {
	_, _ = io.Copy(t.master, os.Stdin)
	if t.saved != nil {
		return
	}
	// An end of a file is there for all who read it, and one of a terminal for who reads it first. It is lost, too, when a
	// program sets the terminal to another mode.
	for pause := endPause; ; pause = min(2*pause, endPauseMost) {
		if err := t.endInput(); err != nil {
			return
		}
		select {
		case <-t.output:
			return
		case <-time.After(pause):
		}
	}
}

// endInput writes the character that ends the input of a terminal (VEOF of termios(3)), which it is in canonical mode alone.
func (t *Terminal) endInput() error {
	attr, err := unix.IoctlGetTermios(int(t.master.Fd()), unix.TCGETS)
	if err != nil || attr.Lflag&unix.ICANON == 0 {
		return err
	}
	// In the middle of a line the first one only ends the line.
	_, err = t.master.Write([]byte{attr.Cc[unix.VEOF], attr.Cc[unix.VEOF]})
	return err
}

// endPause and endPauseMost are the least and the most between two ends of the input.
const (
	endPause     = 100 * time.Millisecond
	endPauseMost = 5 * time.Second
)

// clearONLCR lets lines end as the process writes them.
func clearONLCR(fd int) error {
	attr, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("get attributes of terminal: %w", err)
	}
	attr.Oflag &^= unix.ONLCR
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, attr); err != nil {
		return fmt.Errorf("set attributes of terminal: %w", err)
	}
	return nil
}

// setRaw is cfmakeraw(3), but for the processing of output: lines of a raw terminal would end in mid-screen, as the
// pty does not add the carriage return.
func setRaw(fd int, attr unix.Termios) error {
	attr.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	attr.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	attr.Cflag &^= unix.CSIZE | unix.PARENB
	attr.Cflag |= unix.CS8
	attr.Cc[unix.VMIN], attr.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &attr); err != nil {
		return fmt.Errorf("set terminal to raw mode: %w", err)
	}
	return nil
}

// Resize gives the pty the size of the caller's terminal: SIGWINCH says that it has another one.
func (t *Terminal) Resize() {
	if t.saved == nil {
		return
	}
	if size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// drainWait is how long no output may come after the process has ended, and drainMost how many bytes are waited for, more
// than a pty holds: others that the process has left behind may hold the terminal open, and go on writing.
const (
	drainWait = time.Second
	drainMost = 1 << 20
)

// Close gives the caller its terminal back, after the process has ended and its output, which may have a slow reader, is
// written.
func (t *Terminal) Close() {
	t.drain()
	if t.saved != nil {
		_ = unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, t.saved)
	}
}

// drain waits for the output. The first wait is not counted: the copy may not have had its turn yet.
func (t *Terminal) drain() {
	begin := t.copied.Load()
	for last := int64(-1); ; {
		select {
		case <-t.output:
			return
		case <-time.After(drainWait):
		}
		now := t.copied.Load()
		if !t.writing.Load() && (now == last || now-begin >= drainMost) {
			return
		}
		last = now
	}
}
