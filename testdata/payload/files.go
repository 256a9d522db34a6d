package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func cat(a []string) error {
	for _, name := range a {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		_, _ = os.Stdout.Write(b)
	}
	return nil
}

func ls(a []string) error {
	entries, err := os.ReadDir(a[0])
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return err
}

func stat(a []string) error {
	for _, name := range a {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return &os.PathError{Op: "stat", Path: name, Err: err}
		}
		kinds := map[uint32]string{
			unix.S_IFDIR: "dir", unix.S_IFREG: "file", unix.S_IFLNK: "link", unix.S_IFCHR: "char", unix.S_IFBLK: "block",
			unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
		}
		fmt.Printf("%s %s %04o %d:%d", name, kinds[st.Mode&unix.S_IFMT], st.Mode&0o7777, st.Uid, st.Gid)
		if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFCHR || kind == unix.S_IFBLK {
			fmt.Printf(" %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			to, _ := os.Readlink(name)
			fmt.Printf(" -> %s", to)
		}
		fmt.Println()
	}
	return nil
}

// fails runs a verb that has to fail, and prints its error.
func fails(a []string) error {
	err := verbs[a[0]](a[1:])
	if err == nil {
		return fmt.Errorf("%v: did not fail", a)
	}
	fmt.Println("failed:", err)
	return nil
}

// mounts prints where, filesystem, options and propagation of the mounts below a path.
func mounts(a []string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		dash := 6
		for fields[dash] != "-" {
			dash++
		}
		if len(a) > 0 && !strings.HasPrefix(fields[4], a[0]) {
			continue
		}
		fmt.Println(fields[4], fields[dash+1], fields[5], strings.Join(fields[6:dash], ","), fields[dash+3])
	}
	return nil
}

func getxattr(a []string) error {
	b := make([]byte, 256)
	n, err := unix.Getxattr(a[0], a[1], b)
	if err == nil {
		fmt.Printf("%q\n", b[:n])
	}
	return err
}

// swap exchanges two files until it is killed.
func swap(a []string) error {
	for {
		_ = unix.Renameat2(unix.AT_FDCWD, a[0], unix.AT_FDCWD, a[1], unix.RENAME_EXCHANGE)
	}
}
