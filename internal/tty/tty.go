// Package tty joins the caller's terminal to that of a process in the foreground.
package tty

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a pty whose master is joined to the caller's standard streams.
type Terminal struct {
	master *os.File
	saved  *unix.Termios // nil when the caller's stdin is no terminal
	output chan struct{} // closed when all output is copied
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
	go func() {
		// EIO is the end: the last descriptor of the terminal is closed.
		_, _ = io.Copy(os.Stdout, master)
		close(t.output)
	}()
	return t, nil
}

// endOfFile is the character that ends the input of a terminal, VEOF of termios(3), as it is set in a new one.
const endOfFile = 4

// copyInput ends when stdin does. The processes read an end of file then, if stdin was no terminal.
func (t *Terminal) copyInput() {
	_, _ = io.Copy(t.master, os.Stdin)
	if t.saved != nil {
		return
	}
	// An end of a file is there for all who read it, and one of a terminal for who reads it first. It is lost, too, when a
	// program sets the terminal to another mode.
	for pause := endPause; ; pause = min(2*pause, endPauseMost) {
		// In the middle of a line the first one only ends the line.
		if _, err := t.master.Write([]byte{endOfFile, endOfFile}); err != nil {
			return
		}
		select {
		case <-t.output:
			return
		case <-time.After(pause):
		}
	}
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

// drainWait is how long output may still come after the process has ended: others that it has left behind may hold
// the terminal open.
const drainWait = time.Second

// Close gives the caller its terminal back, after the process has ended.
func (t *Terminal) Close() {
	select {
	case <-t.output:
	case <-time.After(drainWait):
	}
	if t.saved != nil {
		_ = unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, t.saved)
	}
}
