// Payload is the program in the containers of the tests: a static binary that shows how things look from inside.
//
//go:debug containermaxprocs=0
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var verbs map[string]func(args []string) error

func init() {
	verbs = map[string]func(args []string) error{
		"true":     func([]string) error { return nil },
		"exit":     func(a []string) error { os.Exit(number(a[0])); return nil },
		"sleep":    sleep,
		"echo":     func(a []string) error { fmt.Println(strings.Join(a, " ")); return nil },
		"errecho":  func(a []string) error { fmt.Fprintln(os.Stderr, strings.Join(a, " ")); return nil },
		"cat":      cat,
		"ls":       ls,
		"stat":     stat,
		"write":    func(a []string) error { return os.WriteFile(a[0], []byte(strings.Join(a[1:], " ")), 0o644) },
		"fails":    fails,
		"args":     func(a []string) error { fmt.Printf("%q\n", a); return nil },
		"env":      env,
		"id":       id,
		"cwd":      cwd,
		"slack":    slack,
		"status":   status,
		"fds":      fds,
		"mounts":   mounts,
		"hostname": hostname,
		"ns":       ns,
		"rlimits":  rlimits,
		"umask":    func([]string) error { fmt.Printf("%04o\n", syscall.Umask(0)); return nil },
		"syscall":  rawSyscall,
		"trap":     trap,
		"read":     readLine,
		"tty":      tty,
		"winch":    winch,
		"memory":   memory,
		"fork":     fork,
		"child":    child,
		"orphan":   orphan,
		"ramdisk":  ramdisk,
		"sched":    sched,
		"getxattr": getxattr,
		"recvtty":  recvTTY,
		"recvfd":   recvFD,
		"notify":   notify,
		"listen":   listen,
		"up":       up,
		"seq":      seq,
		"mem":      memPolicy,
		"key":      key,
		"swap":     swap,
		"unshare":  unshare,
		"connect":  connect,
		"busy":     busy,
		"huge":     huge,
		"disk":     disk,
		"mkdir":    func(a []string) error { return os.Mkdir(a[0], 0o755) },
		"mute":     mute,
		"exe":      exe,
		"counter":  counter,
		"past":     past,
		"counts":   counts,
		"serve":    serve,
		"ask":      ask,
		"lock":     lock,
		"locked":   locked,
		"unlinked": unlinked,
		"unmet":    unmet,
		"dial":     dial,
		"ballast":  ballast,
		"proc":     func(a []string) error { return cat([]string{"/proc/self/" + a[0]}) },
	}
}

func main() {
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		var names []string
		for v := range verbs {
			names = append(names, v)
		}
		sort.Strings(names)
		fmt.Fprintln(os.Stderr, "payload: verbs:", strings.Join(names, " "))
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "payload:", err)
		os.Exit(1)
	}
}

func number(s string) int {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "payload:", err)
		os.Exit(2)
	}
	return int(n)
}

// seq runs several verbs, separated by "--": as one process.
func seq(args []string) error {
	for _, one := range strings.Split(strings.Join(args, "\x00"), "\x00--\x00") {
		a := strings.Split(one, "\x00")
		if err := verbs[a[0]](a[1:]); err != nil {
			return err
		}
	}
	return nil
}

func sleep(a []string) error {
	seconds := 600
	if len(a) > 0 {
		seconds = number(a[0])
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	return nil
}
