package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed c/*.c
var programs embed.FS

// bench is one run.
type bench struct {
	*settings
	out      io.Writer
	dir      string   // all that is made, on disk
	state    string   // a tmpfs for the runtimes' state, as /run is one
	rootfs   string   // the containers' root filesystem
	prefix   string   // of the names of containers and cgroups
	v1       []string // mount points of cgroup v1
	tools    []*tool  // mydocker first
	floor    string   // the built floor.c, "" without a C compiler
	peak     string   // the built peak.c, likewise
	stop     chan os.Signal
	problems []string // why the run fails in the end
	rows     []row
}

// newBench prepares the host's side: a place for files, cgroups as the peers can use them, the tools.
func newBench(s *settings, out io.Writer) (*bench, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	dir, err := os.MkdirTemp("", "mydocker-bench")
	if err != nil {
		return nil, err
	}
	b := &bench{
		settings: s, out: out, dir: dir, state: filepath.Join(dir, "state"), rootfs: filepath.Join(dir, "rootfs"),
		prefix: fmt.Sprintf("mydocker-bench-%d", os.Getpid()), stop: make(chan os.Signal, 1),
	}
	signal.Notify(b.stop, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)
	if err := errors.Join(os.Chmod(dir, 0o755), b.mountState(), b.cgroups(), b.makeRootfs(), b.findTools()); err != nil {
		return nil, errors.Join(err, b.close())
	}
	b.floor = b.compile("floor")
	b.peak = b.compile("peak")
	return b, nil
}

func (b *bench) mountState() error {
	if err := os.Mkdir(b.state, 0o711); err != nil {
		return err
	}
	return os.NewSyscallError("mount tmpfs", unix.Mount("tmpfs", b.state, "tmpfs", 0, "mode=711"))
}

// cgroups finds the v1 hierarchies and takes away the v2 tree beside them: crun up to 1.8 refuses to run there.
func (b *bench) cgroups() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	unified := ""
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		switch {
		case f[2] == "cgroup":
			b.v1 = append(b.v1, f[1])
		case f[2] == "cgroup2" && f[1] != "/sys/fs/cgroup":
			unified = f[1]
		}
	}
	if len(b.v1) == 0 || unified == "" {
		return nil
	}
	if err := unix.Unmount(unified, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", unified, err)
	}
	return nil
}

// compile builds a program of directory c. Without a compiler it says so and returns "".
func (b *bench) compile(name string) string {
	source, err := programs.ReadFile("c/" + name + ".c")
	path := filepath.Join(b.dir, name)
	if err == nil {
		err = os.WriteFile(path+".c", source, 0o644)
	}
	if err == nil {
		var text []byte
		text, err = exec.Command("cc", "-static", "-O2", "-o", path, path+".c").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w %s", err, text)
		}
	}
	if err != nil {
		b.say("no %s: %v", name, err)
		return ""
	}
	return path
}

// say prints a line beside the tables.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.out, format+"\n", args...)
}

// interrupted reports whether somebody wants an end.
func (b *bench) interrupted() error {
	select {
	case s := <-b.stop:
		return fmt.Errorf("ended by signal %d", s)
	default:
		return nil
	}
}

// close removes what was made: containers that are left, their cgroups, files.
func (b *bench) close() error {
	for _, t := range b.tools {
		b.removeAll(t)
	}
	hierarchies := b.v1
	if len(hierarchies) == 0 {
		hierarchies = []string{"/sys/fs/cgroup"}
	}
	for _, h := range hierarchies {
		left, _ := filepath.Glob(filepath.Join(h, b.prefix+"*"))
		for _, cgroup := range left {
			_ = os.Remove(cgroup)
		}
	}
	_ = unix.Unmount(b.state, unix.MNT_DETACH)
	return os.RemoveAll(b.dir)
}

// describe says on what the numbers were taken.
func (b *bench) describe() {
	var u unix.Utsname
	_ = unix.Uname(&u)
	layout := "cgroup v2"
	if len(b.v1) > 0 {
		layout = fmt.Sprintf("cgroup v1, %d hierarchies", len(b.v1))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(load), " ")
	b.say("Linux %s, %s, load average %s at the beginning.", unix.ByteSliceToString(u.Release[:]), layout, average)
	for _, t := range b.tools {
		version, _ := exec.Command(t.path, "--version").Output()
		line, _, _ := strings.Cut(string(version), "\n")
		b.say("- %s: %s", t.name, line)
	}
	b.say("\nMedians of %d rounds; in brackets the span of the middle 80 %%. ×: as a multiple of mydocker's.", b.rounds)
}
