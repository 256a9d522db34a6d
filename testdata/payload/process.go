package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"mydocker/internal/entry"
)

func env([]string) error {
	all := os.Environ()
	sort.Strings(all)
	for _, v := range all {
		fmt.Println(v)
	}
	return nil
}

func id([]string) error {
	groups, err := os.Getgroups()
	fmt.Printf("uid=%d gid=%d groups=%v\n", os.Getuid(), os.Getgid(), groups)
	return err
}

func cwd([]string) error {
	dir, err := unix.Getwd()
	fmt.Println(dir)
	return err
}

// slack prints the timer slack. What /proc says of it some kernels show only to who may set it.
func slack([]string) error {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	fmt.Println(n)
	return err
}

// status prints fields of /proc/self/status.
func status(a []string) error {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, ":")
		for _, want := range a {
			if name == want {
				fmt.Print(line)
			}
		}
	}
	return nil
}

func fds([]string) error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	sort.Strings(names)
	for _, n := range names {
		to, err := os.Readlink("/proc/self/fd/" + n)
		if err == nil && n != strconv.Itoa(int(dir.Fd())) && !strings.HasPrefix(to, "anon_inode:[event") {
			fmt.Println(n, to)
		}
	}
	return err
}

func hostname([]string) error {
	var u unix.Utsname
	err := unix.Uname(&u)
	fmt.Println(unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Domainname[:]), unix.ByteSliceToString(u.Machine[:]))
	return err
}

func ns(a []string) error {
	for _, n := range a {
		to, err := os.Readlink("/proc/self/ns/" + n)
		if err != nil {
			return err
		}
		fmt.Println(to)
	}
	return nil
}

// rlimits shows the number of open files as it was given, not as package os has raised it.
func rlimits([]string) error {
	soft, hard := entry.OpenFiles()
	fmt.Println("open files", soft, hard)
	return cat([]string{"/proc/self/limits"})
}

// rawSyscall makes system calls by number and prints their errors.
func rawSyscall(a []string) error {
	var n [7]uintptr
	for i := range a {
		n[i] = uintptr(number(a[i]))
	}
	r, _, errno := unix.Syscall6(n[0], n[1], n[2], n[3], n[4], n[5], n[6])
	if errno != 0 {
		fmt.Printf("syscall %d: %s\n", n[0], unix.ErrnoName(errno))
		return nil
	}
	fmt.Printf("syscall %d: %d\n", n[0], r)
	return nil
}

// trap prints the first signal of those given and exits with its number.
func trap(a []string) error {
	ch := make(chan os.Signal, 8)
	for _, s := range a {
		signal.Notify(ch, syscall.Signal(number(s)))
	}
	fmt.Println("ready")
	s := (<-ch).(syscall.Signal)
	fmt.Println("signal", int(s))
	os.Exit(int(s))
	return nil
}

// mute listens on a stream socket and never answers.
func mute(a []string) error {
	l, err := net.Listen("unix", a[0])
	if err != nil {
		return err
	}
	for {
		if _, err := l.Accept(); err != nil {
			return err
		}
	}
}

// fork starts N processes that sleep, and says how many it could.
func fork(a []string) error {
	n := 0
	for range number(a[0]) {
		cmd := exec.Command("/proc/self/exe", "sleep")
		if err := cmd.Start(); err != nil {
			fmt.Println("failed:", err)
			break
		}
		n++
	}
	fmt.Println("started", n)
	if len(a) > 1 {
		return sleep(nil)
	}
	return nil
}

// child runs a verb in a process of its own and shows how that ended.
func child(a []string) error {
	cmd := exec.Command("/proc/self/exe", a...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	fmt.Println("child:", cmd.Run())
	return nil
}

// orphan leaves a sleeping process behind.
func orphan([]string) error {
	cmd := exec.Command("/proc/self/exe", "sleep")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

func sched([]string) error {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	prio, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, 1, 0, 0)
	persona, _, _ := unix.Syscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &set)
	fmt.Printf("policy %d nice %d priority %d flags %d runtime %d ioprio %d:%d %d personality %#x cpus %d\n", attr.Policy, attr.Nice,
		attr.Priority, attr.Flags, attr.Runtime, prio>>13, prio&7, errno, persona, set.Count())
	return nil
}

func memPolicy([]string) error {
	var mode int32
	var mask [16]uint64
	_, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&mask[0])), 1024, 0, 0, 0)
	fmt.Printf("mode %#x mask %#x %d\n", mode, mask[0], errno)
	return nil
}

func key([]string) error {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return err
	}
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	fmt.Println(id, text)
	return err
}

func unshare([]string) error { return unix.Unshare(unix.CLONE_NEWUTS) }

// exe prints how the executable of a process looks, and tries to write to it.
func exe(a []string) error {
	path := filepath.Join("/proc", a[0], "exe")
	to, err := os.Readlink(path)
	fmt.Println(to, err)
	_, err = os.OpenFile(path, os.O_WRONLY, 0)
	fmt.Println("write:", err)
	return nil
}
