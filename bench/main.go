// bench runs mydocker beside other runtimes and prints what each costs, as tables in Markdown. What is compared is
// measured in turns, one command of each at a time, so that a machine that gets slower does so for all of them.
//
// CPU is user and system time of all processes of a command, those that it leaves behind as well: bench is their
// subreaper and adds up what wait4(2) says of each. What kernel threads do later, on nobody's account, is not in it.
// The floor (c/floor.c) is a static C program that only makes the system calls that no runtime can do without.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// settings are the flags.
type settings struct {
	mydocker, peers string
	rounds          int
	many            int
	short           bool
	only            string
	max             float64
	testdata        string
}

// inside is set in the environment of the copy that runs in a mount namespace of its own.
const inside = "MYDOCKER_BENCH_INSIDE"

func main() {
	var s settings
	flag.StringVar(&s.mydocker, "mydocker", "./mydocker", "the binary to be measured")
	flag.StringVar(&s.peers, "peers", "crun,runc", "the other runtimes, with commas between: a program's name, or what to call it=its path")
	flag.IntVar(&s.rounds, "rounds", 60, "how often each case is measured")
	flag.IntVar(&s.many, "many", 1000, "how many containers, and mounts of the host, are many")
	flag.BoolVar(&s.short, "short", false, "few rounds, small numbers, and no comparison that fails")
	flag.StringVar(&s.only, "only", "", "only the sections whose names contain this")
	flag.Float64Var(&s.max, "max", 1, "fail when mydocker takes more CPU than this many times a peer's")
	flag.StringVar(&s.testdata, "testdata", "testdata/bench", "directory with docker.json")
	flag.Parse()
	if s.short {
		s.rounds, s.many = min(s.rounds, 5), min(s.many, 20)
	}
	if os.Getenv(inside) == "" {
		os.Exit(enter())
	}
	if err := run(&s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// enter runs this program again in a private mount namespace, where mounts and unmounts are nobody else's, and
// returns its exit status.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: making containers needs root")
		return 1
	}
	signal.Ignore(unix.SIGINT, unix.SIGHUP) // the copy gets them too, and cleans up
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	runtime.LockOSThread() // the signal comes when the thread ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGTERM}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// run measures the sections in order. It returns an error when mydocker could not do something, or is slower than
// a peer in a run that is not short.
func run(s *settings, out io.Writer) (err error) {
	b, err := newBench(s, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	b.describe()
	for _, section := range []struct {
		name string
		do   func(*bench) error
	}{
		{"containers", (*bench).containers},
		{"commands", (*bench).commands},
		{"parallel", (*bench).parallel},
		{"memory", (*bench).memory},
		{"mounts", (*bench).hostMounts},
		{"growth", (*bench).growth},
	} {
		if !strings.Contains(section.name, s.only) {
			continue
		}
		if err := section.do(b); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	b.summary()
	return b.verdict()
}
