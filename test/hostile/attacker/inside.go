package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sleep waits for a while that no test takes.
func sleep([]string) error {
	time.Sleep(20 * time.Minute)
	return nil
}

// hold BEGUN PROCEED makes one file, and waits for another, though not for ever.
func hold(a []string) error {
	err := os.WriteFile(a[0], nil, 0o644)
	for end := time.Now().Add(time.Minute); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if unix.Access(a[1], unix.F_OK) == nil {
			break
		}
	}
	return err
}

// escape FILE tries to read a file of the host by ways that begin at the working directory.
func escape(a []string) error {
	dir, err := unix.Getwd()
	fmt.Println("cwd", dir, err)
	for up := ""; len(up) < 3*24; up += "../" {
		if b, err := os.ReadFile(up + strings.TrimPrefix(a[0], "/")); err == nil {
			fmt.Printf("BROKEN: read %q of the host from the working directory\n", b)
			return nil
		}
	}
	return nil
}

// fds FILE lists what is open beyond the standard streams, and tries each as a way to a file of the host.
func fds(a []string) error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	for _, n := range names {
		to, linkErr := os.Readlink("/proc/self/fd/" + n)
		fd, _ := strconv.Atoi(n)
		if linkErr != nil || fd < 3 || fd == int(dir.Fd()) || strings.HasPrefix(to, "anon_inode:[event") {
			continue
		}
		fmt.Println("BROKEN: descriptor", n, "is", to)
	}
	return err
}

// filesystem PATH… prints the type of each filesystem.
func filesystem(a []string) error {
	for _, path := range a {
		var st unix.Statfs_t
		err := unix.Statfs(path, &st)
		fmt.Printf("%s %#x %v\n", path, st.Type, err)
	}
	return nil
}

// terminal PATH tells whether a file is the end of a pseudoterminal for programs: its major number is from 136 to 143.
func terminal(a []string) error {
	var st unix.Stat_t
	err := unix.Stat(a[0], &st)
	major := unix.Major(st.Rdev)
	fmt.Println(err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && major >= 136 && major < 144, st.Mode, major, err)
	return nil
}

// masks DIR… says of each directory that is a procfs whether its version can be read, which the configuration masks,
// and whether its parameters can be opened for writing.
func masks(a []string) error {
	seen := 0
	for _, dir := range a {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) != nil || st.Type != unix.PROC_SUPER_MAGIC {
			continue
		}
		seen++
		if b, err := os.ReadFile(dir + "/version"); err == nil && len(b) > 0 {
			fmt.Printf("BROKEN: %s/version has no mask: %q\n", dir, b)
		}
		if f, err := os.OpenFile(dir+"/sys/kernel/core_pattern", os.O_WRONLY, 0); err == nil {
			f.Close()
			fmt.Printf("BROKEN: %s/sys can be written to\n", dir)
		}
	}
	fmt.Println("procfs", seen)
	return nil
}

// show FILE… prints files.
func show(a []string) error {
	for _, name := range a {
		b, err := os.ReadFile(name)
		fmt.Printf("%s %q %v\n", name, b, err)
	}
	return nil
}

// field NAME… prints fields of /proc/self/status.
func field(a []string) error {
	b, err := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, ":")
		for _, want := range a {
			if name == want {
				fmt.Print(line)
			}
		}
	}
	return err
}

func id([]string) error {
	fmt.Printf("uid=%d gid=%d\n", os.Getuid(), os.Getgid())
	return nil
}

// devices makes nodes of devices that nobody has allowed, and opens them.
func devices([]string) error {
	for _, d := range [...]struct {
		name         string
		kind         uint32
		major, minor uint32
	}{{"mem", unix.S_IFCHR, 1, 1}, {"port", unix.S_IFCHR, 1, 4}, {"kmsg", unix.S_IFCHR, 1, 11}, {"disk", unix.S_IFBLK, 8, 0},
		{"virtual disk", unix.S_IFBLK, 254, 0}, {"fuse", unix.S_IFCHR, 10, 229}, {"loop", unix.S_IFBLK, 7, 0}} {
		path := "/tmp/" + d.name
		if err := unix.Mknod(path, d.kind|0o600, int(unix.Mkdev(d.major, d.minor))); err != nil {
			fmt.Println(d.name, err)
			continue
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			_ = unix.Close(fd)
			fmt.Println("BROKEN: opened", d.name)
		}
		fmt.Println(d.name, err)
	}
	return nil
}

// climb FILE tries to read a file of the host by climbing out of a root that was only changed, and by taking off what
// lies over the host's.
func climb(a []string) error {
	found := func(how string) bool {
		b, err := os.ReadFile(strings.TrimPrefix(a[0], "/"))
		if err == nil {
			fmt.Printf("BROKEN: read %q of the host: %s\n", b, how)
		}
		return err == nil
	}
	for range 4 {
		if err := unix.Unmount("/", unix.MNT_DETACH); err != nil {
			fmt.Println("unmount:", err)
			break
		}
		if unix.Chroot("/") == nil && unix.Chdir("/") == nil && found("unmounted the root") {
			return nil
		}
	}
	fd, err := unix.Open("/", unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	_ = unix.Mkdir("/tmp/below", 0o755)
	if err := unix.Chroot("/tmp/below"); err != nil {
		return err
	}
	if err := unix.Fchdir(fd); err != nil {
		return err
	}
	for range 64 {
		_ = unix.Chdir("..")
	}
	if !found("climbed out of a root") {
		_ = unix.Chroot(".")
		found("climbed out of two roots")
	}
	return nil
}

// newProc tries to mount a procfs without masks, in namespaces that anybody may make.
func newProc([]string) error {
	cmd := exec.Command("/bin/attacker", "mountproc")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println("new namespaces:", err)
	}
	return nil
}

func mountProc([]string) error {
	if err := unix.Mount("proc", "/mnt", "proc", 0, ""); err != nil {
		fmt.Println("mount proc:", err)
		return nil
	}
	return masks([]string{"/mnt"})
}

// cgroups tries to open every file by which processes are moved for writing.
func cgroups([]string) error {
	seen := 0
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "cgroup.procs" {
			return nil //nolint:nilerr // what cannot be seen is no danger
		}
		seen++
		if fd, err := unix.Open(path, unix.O_WRONLY, 0); err == nil {
			_ = unix.Close(fd)
			fmt.Println("BROKEN: opened", path)
		}
		return nil
	})
	fmt.Println("seen", seen)
	return err
}

// keyring prints the session keyring.
func keyring([]string) error {
	serial, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	fmt.Println("keyring", serial, err)
	return nil
}

func environ([]string) error {
	fmt.Printf("%q\n", os.Environ())
	return nil
}
