package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mydocker/test/rig"
)

// engine is how an engine is set up and talked to. RUNTIME in its files is replaced by the path of the runtime.
type engine struct {
	name     string
	scripts  string            // directory in testdata
	built    bool              // of the programs that `make test-engines` builds, not of Debian's
	programs []string          // what has to be there
	version  string            // a shell command; the first line counts
	files    map[string]string // its configuration
	daemons  [][]string        // started in order, ended in reverse
	ready    string            // a shell command that succeeds once the daemons are up
	load     string            // a shell command that loads /run/image.tar
	client   [2]string         // the command of the scripts, and the program that it is
	reset    string            // a shell command that removes all containers, after a scenario that failed
	lacks    map[string]string // scenarios that are about what it has not, with what that is
	kept     []string          // mounts and cgroups that it keeps; these as patterns of path.Match
}

// builtDir is where `make test-engines` puts what it builds.
func builtDir() string { return os.Getenv("ENGINES_BIN") }

// path is the PATH that the engine's programs are looked up in.
func (e *engine) path() string {
	path := "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
	if e.built {
		return builtDir() + ":" + path
	}
	return path + ":" + builtDir()
}

// installed tells the engine's version, or what is missing.
func (e *engine) installed() (string, error) {
	for _, p := range e.programs {
		if path := e.lookUp(p); path == "" || e.built && filepath.Dir(path) != builtDir() {
			return "", fmt.Errorf("%s is not installed", p)
		}
	}
	out, err := e.shell(e.version).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.version, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

func (e *engine) lookUp(program string) string {
	if filepath.IsAbs(program) {
		program, _ = exec.LookPath(program)
		return program
	}
	for _, dir := range filepath.SplitList(e.path()) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path
		}
	}
	return ""
}

// shell prepares a command that may not take longer than two minutes, which SLOW in the environment stretches.
func (e *engine) shell(text string) *exec.Cmd {
	cmd := exec.Command("timeout", "-k", "5", seconds(2*time.Minute), "sh", "-c", text)
	cmd.Env = e.environ()
	return cmd
}

// seconds is a time for timeout(1), stretched.
func seconds(d time.Duration) string { return strconv.Itoa(int(rig.Scale(d).Seconds())) }

func (e *engine) environ() []string {
	return []string{
		"PATH=/run/bin:" + e.path(), "HOME=/run/home", "TMPDIR=/run/tmp", "TERM=xterm", "LC_ALL=C.UTF-8", "IMAGE=" + imageName, "BIN=/run/bin",
		// A daemon that is built speaks to the host's client, which may be older than it likes.
		"DOCKER_MIN_API_VERSION=1.24",
	}
}

// start writes the configuration, starts the daemons, and loads the image.
func (e *engine) start(runtimePath string) (stop func(), err error) {
	var running []*exec.Cmd
	stop = func() {
		for i := len(running) - 1; i >= 0; i-- {
			end(running[i])
		}
	}
	if err := e.configure(runtimePath); err != nil {
		return stop, err
	}
	for i, args := range e.daemons {
		log, err := os.Create(e.log(i))
		if err != nil {
			return stop, err
		}
		cmd := exec.Command(e.lookUp(args[0]), args[1:]...)
		cmd.Env, cmd.Stdout, cmd.Stderr = e.environ(), log, log
		if err := errors.Join(cmd.Start(), log.Close()); err != nil {
			return stop, err
		}
		running = append(running, cmd)
	}
	if err := e.await(); err != nil {
		return stop, err
	}
	if out, err := e.shell(e.load).CombinedOutput(); err != nil {
		return stop, fmt.Errorf("%s: %w\n%s", e.load, err, out)
	}
	return stop, nil
}

func (e *engine) log(daemon int) string {
	return fmt.Sprintf("/run/log/%d-%s", daemon, e.daemons[daemon][0])
}

// await waits until the daemons answer.
func (e *engine) await() error {
	if e.ready == "" {
		return nil
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		out, err := e.shell(e.ready).CombinedOutput()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w\n%s%s", e.ready, err, out, e.logs())
		}
	}
}

// end asks a daemon to end.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
}

// logs are the last lines of the daemons' logs.
func (e *engine) logs() string {
	var text strings.Builder
	for i := range e.daemons {
		b, _ := os.ReadFile(e.log(i))
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		fmt.Fprintf(&text, "-- %s\n%s\n", e.log(i), strings.Join(lines[max(0, len(lines)-4):], "\n"))
	}
	return text.String()
}

// configure writes the files.
func (e *engine) configure(runtimePath string) error {
	for _, dir := range []string{"/run/bin", "/run/home", "/run/log"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(writeImage("/run/image.tar", imageName, "sh"), writeImage("/run/pause.tar", pauseName, "sleep", "infinity")); err != nil {
		return err
	}
	// A CRIU beside what was built, for kernels that Debian's is too old for, goes before it.
	if criu := filepath.Join(builtDir(), "criu"); exists(criu) {
		if err := os.Symlink(criu, "/run/bin/criu"); err != nil {
			return err
		}
	}
	for name, text := range e.files {
		if err := writeProgram(name, strings.ReplaceAll(text, "RUNTIME", runtimePath)); err != nil {
			return err
		}
	}
	client := fmt.Sprintf("#!/bin/sh\nexport CRI_CONFIG_FILE=/run/crictl.yaml\nexec timeout --foreground -k 5 ${LIMIT:-%s} %s \"$@\"\n",
		seconds(time.Minute), e.lookUp(e.client[1]))
	return writeProgram("/run/bin/"+e.client[0], client)
}

func writeProgram(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o755)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
