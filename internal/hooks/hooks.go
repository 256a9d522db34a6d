// Package hooks runs the hooks of config.json (runtime-spec, config.md, "POSIX-platform Hooks").
package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
	"mydocker/internal/fault"
)

// maxOutput is how much of a hook's output, in bytes, its error shows.
const maxOutput = 4 << 10

// Place is where hooks run.
type Place struct {
	Dir string   // working directory, "" for the caller's
	Env []string // environment of a hook that has none: the specification leaves it open
}

// Run runs the hooks of one kind in order, and stops at the first that fails. Each gets the state as JSON on its
// stdin.
func (p *Place) Run(ctx context.Context, list []specs.Hook, kind string, state *specs.State) error {
	for i := range list {
		if err := p.RunOne(ctx, list, i, kind, state); err != nil {
			return err
		}
	}
	return nil
}

// RunOne runs one of the hooks of a kind.
func (p *Place) RunOne(ctx context.Context, list []specs.Hook, i int, kind string, state *specs.State) error {
	body, err := json.Marshal(state)
	if err != nil {
		return fault.New(fault.Internal, "", err)
	}
	h := &list[i]
	out, errOut := &limited{}, &limited{}
	err = p.run(ctx, h, body, out, errOut)
	if err == nil {
		return nil
	}
	text := fmt.Errorf("error running %s hook #%d: %w, stdout: %s, stderr: %s", kind, i, err, out, errOut)
	failed := fault.New(fault.Hook, fmt.Sprintf("hooks.%s[%d]", kind, i), text)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOEXEC) {
		return fault.Hint(failed, placeHint(kind))
	}
	return failed
}

// Missing is the error of a hook whose program cannot be executed.
func Missing(kind string, i int, path string, err error) error {
	text := fmt.Errorf("%s hook #%d: %w", kind, i, &os.PathError{Op: "execute", Path: path, Err: err})
	return fault.Hint(fault.New(fault.Hook, fmt.Sprintf("hooks.%s[%d]", kind, i), text), placeHint(kind))
}

// placeHint says where the program of a hook is looked for (config.md, "POSIX-platform Hooks").
func placeHint(kind string) string {
	if kind == "startContainer" {
		return "the path is one in the container, and the file has to be an executable program or a script with a #! line"
	}
	return "the path is one of the host, and the file has to be an executable program or a script with a #! line"
}

func (p *Place) run(ctx context.Context, h *specs.Hook, state []byte, out, errOut *limited) error {
	if h.Timeout != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	// A hook gets its three streams and nothing that we were started with, such as the descriptors that are the
	// program's. In a process that runs hooks those are not for any other child, either.
	if err := unix.CloseRange(3, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	cmd := exec.CommandContext(ctx, h.Path)
	// args[0] is the name of the program (config.md: the same semantics as execv's argv).
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	env := h.Env
	if len(env) == 0 {
		env = p.Env
	}
	// Not nil, which would be ours.
	cmd.Env = append([]string{}, env...)
	cmd.Dir = p.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(state), out, errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A child that the hook leaves behind may hold its output open.
	cmd.WaitDelay = time.Second
	runtime.LockOSThread()
	entry.Prompt()
	err := cmd.Start()
	runtime.UnlockOSThread()
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("timeout after %d s", *h.Timeout)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay), errors.Is(err, syscall.EPIPE):
		// It ended well; that it did not read its stdin is its own affair.
		return nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return fmt.Errorf("signal: %s", status.Signal())
		}
	}
	return err
}

// limited keeps the beginning of what is written to it.
type limited struct{ b strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.b.Len(); room > 0 {
		l.b.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

func (l *limited) String() string { return strings.TrimRight(l.b.String(), "\n") }
