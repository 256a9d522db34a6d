// record makes the moving picture of a terminal in the README: it types what a file says into a shell, on a terminal of
// its own, and draws what comes out.
//
//	record MYDOCKER SESSION PICTURE
//
// MYDOCKER is the binary. A line of SESSION is typed; "wait TIME" lets time go by; "key K" types without a newline. The
// containers are those of a state root of its own.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"
)

// The size of the terminal.
const rows, columns = 27, 100

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: record MYDOCKER SESSION PICTURE")
		os.Exit(2)
	}
	if err := record(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func record(binary, session, picture string) error {
	script, err := os.ReadFile(session)
	if err != nil {
		return err
	}
	r := &recording{screen: newScreen(rows, columns), begin: time.Now()}
	if err := r.play(binary, strings.Split(strings.TrimSpace(string(script)), "\n")); err != nil {
		return err
	}
	return os.WriteFile(picture, []byte(film(r.frames, r.length(), rows, columns)), 0o644)
}

// recording is the session while it runs.
type recording struct {
	mu      sync.Mutex
	screen  *screen
	begin   time.Time
	changed bool
	frames  []frame
}

func (r *recording) play(binary string, lines []string) error {
	terminal, path, err := console.NewPty()
	if err != nil {
		return err
	}
	defer func() { _ = terminal.Close() }()
	if err := terminal.Resize(console.WinSize{Height: rows, Width: columns}); err != nil {
		return err
	}
	shell, err := startShell(binary, path)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go r.read(terminal)
	go r.take(stop)
	time.Sleep(time.Second)
	for _, l := range lines {
		if err := typeLine(terminal, l); err != nil {
			return err
		}
	}
	_, err = io.WriteString(terminal, "exit\n")
	close(stop)
	return errors.Join(err, shell.Wait())
}

// startShell starts a shell that finds the binary as mydocker, and sees an empty /run/mydocker.
func startShell(binary, terminal string) (*exec.Cmd, error) {
	slave, err := os.OpenFile(terminal, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", `mkdir -p /run/mydocker && mount -t tmpfs tmpfs /run/mydocker && mkdir /run/mydocker/.bin &&
		ln -s "$1" /run/mydocker/.bin/mydocker && PATH=/run/mydocker/.bin:$PATH exec bash --norc --noprofile -i`, "sh", binary)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TERM=xterm", "LANG=C.UTF-8", "PS1=# ", "HISTFILE="}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Unshareflags: syscall.CLONE_NEWNS}
	return cmd, cmd.Start()
}

// typeLine does what a line of the session says, at the pace of a person.
func typeLine(w io.Writer, l string) error {
	if rest, ok := strings.CutPrefix(l, "wait "); ok {
		d, err := time.ParseDuration(rest)
		time.Sleep(d)
		return err
	}
	text, key := strings.CutPrefix(l, "key ")
	if !key {
		text += "\n"
	}
	const atOnce = 3 // characters a picture
	for len(text) > 0 {
		n := min(atOnce, len(text))
		if _, err := io.WriteString(w, text[:n]); err != nil {
			return err
		}
		text = text[n:]
		time.Sleep(150 * time.Millisecond)
	}
	return nil
}

func (r *recording) read(terminal io.Reader) {
	b := make([]byte, 32<<10)
	for {
		n, err := terminal.Read(b)
		r.mu.Lock()
		r.screen.write(b[:n])
		r.changed = r.changed || n > 0
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take draws the screen whenever it has changed.
func (r *recording) take(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(75 * time.Millisecond):
		}
		r.mu.Lock()
		if r.changed {
			r.frames = append(r.frames, frameOf(time.Since(r.begin), r.screen))
			r.changed = false
		}
		r.mu.Unlock()
	}
}

// length is how long the picture takes. It begins with the first frame, and leaves time to read the last.
func (r *recording) length() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.frames[0].at
	for i := range r.frames {
		r.frames[i].at -= first
	}
	const lastFrame = 5 * time.Second
	return r.frames[len(r.frames)-1].at + lastFrame
}
