// Package screen draws on a terminal in place, and gives it back as it was, however the program is asked to end.
//
// It does with a handful of the control sequences of ECMA-48 and xterm, which every terminal of today knows: a library
// for whole user interfaces would be many times the size of what is drawn with it.
package screen

import (
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/signals"
	"mydocker/internal/stdio"
)

// Control sequences. The second screen (DECSET 1049) leaves what was on the first as it was; a synchronised update (2026)
// is shown at once, by terminals that know it.
const (
	enter = "\x1b[?1049h\x1b[?25l"
	leave = "\x1b[?25h\x1b[?1049l"
	begin = "\x1b[?2026h\x1b[H"
	clear = "\x1b[K"
	below = "\x1b[J"
	end   = "\x1b[?2026l"
)

// Event is something that the terminal or a signal says.
type Event int

// Beside these, an event is the key that was typed.
const (
	Resized Event = -1 - iota // the size is another one, or the screen has to be drawn again
	Ended                     // a signal asks for the end, or the terminal is gone
)

// Screen is a terminal that is drawn on.
type Screen struct {
	in, out stdio.File
	saved   *unix.Termios // of in; nil when that is no terminal
	signals chan os.Signal
	events  chan Event
	done    chan struct{}
}

// Usable tells whether standard output is a terminal that can be drawn on.
func Usable() bool {
	term := os.Getenv("TERM")
	return stdio.Out.Terminal() && term != "" && term != "dumb"
}

// Open begins to draw. Close has to follow.
func Open() (*Screen, error) {
	s := &Screen{in: 0, out: stdio.Out, signals: make(chan os.Signal, 8), events: make(chan Event), done: make(chan struct{})}
	signal.Notify(s.signals, caught()...)
	if err := s.enter(); err != nil {
		signal.Stop(s.signals)
		return nil, err
	}
	go s.handleSignals()
	if s.saved != nil {
		go s.readKeys()
	}
	return s, nil
}

func caught() []os.Signal {
	return []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH}
}

// enter turns to the second screen and has keys come one by one. Signals are still made by keys.
func (s *Screen) enter() error {
	if attr, err := unix.IoctlGetTermios(int(s.in), unix.TCGETS); err == nil {
		saved := *attr
		attr.Lflag &^= unix.ICANON | unix.ECHO
		attr.Cc[unix.VMIN], attr.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(int(s.in), unix.TCSETS, attr); err != nil {
			return fmt.Errorf("set attributes of terminal: %w", err)
		}
		s.saved = &saved
	}
	_, err := s.out.WriteString(enter)
	return err
}

func (s *Screen) leave() {
	_, _ = s.out.WriteString(leave)
	if s.saved != nil {
		_ = unix.IoctlSetTermios(int(s.in), unix.TCSETS, s.saved)
	}
}

// Close gives the terminal back.
func (s *Screen) Close() {
	signal.Stop(s.signals)
	close(s.done)
	s.leave()
}

// Events are the keys, changes of the size, and the end.
func (s *Screen) Events() <-chan Event { return s.events }

func (s *Screen) send(e Event) {
	select {
	case s.events <- e:
	case <-s.done:
	}
}

func (s *Screen) handleSignals() {
	for {
		select {
		case <-s.done:
			return
		case sig := <-s.signals:
			switch sig {
			case unix.SIGTSTP:
				s.suspend()
				s.send(Resized)
			case unix.SIGWINCH:
				s.send(Resized)
			default:
				s.send(Ended)
			}
		}
	}
}

// suspend lets the shell have the terminal until it continues this process.
func (s *Screen) suspend() {
	s.leave()
	signals.Suspend()
	_ = s.enter()
}

// readKeys ends with the terminal.
func (s *Screen) readKeys() {
	var b [64]byte
	for {
		n, err := unix.Read(int(s.in), b[:])
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n == 0 {
			s.send(Ended)
			return
		}
		if b[0] == '\x1b' {
			continue // an arrow or another key that sends a sequence
		}
		for _, key := range b[:n] {
			s.send(Event(key))
		}
	}
}

// Size is the number of rows and columns.
func (s *Screen) Size() (rows, columns int) {
	size, err := unix.IoctlGetWinsize(int(s.out), unix.TIOCGWINSZ)
	if err != nil || size.Row == 0 || size.Col == 0 {
		return 24, 80
	}
	return int(size.Row), int(size.Col)
}

// Draw shows lines in place of what is there. The caller has cut them to the size.
func (s *Screen) Draw(lines []string) error {
	var b strings.Builder
	b.WriteString(begin)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + clear)
	}
	b.WriteString(below + end)
	_, err := s.out.WriteString(b.String())
	return err
}
