package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// ramdisk DIR PROGRAM ARG… runs a program where the root is the kernel's first one, as on a machine that never leaves its
// initramfs. Every mount namespace has it below its root: in a new namespace, the root is unmounted. DIR is /disk there.
func ramdisk(args []string) error {
	// The thread has a root of its own from here on, and the program is started from it.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	places := [...]struct{ from, to string }{{"/proc", "/proc"}, {"/sys", "/sys"}, {"/dev", "/dev"}, {args[0], "/disk"}}
	var trees [len(places)]int
	for i, p := range places {
		fd, err := unix.OpenTree(unix.AT_FDCWD, p.from, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("clone %s: %w", p.from, err)
		}
		trees[i] = fd
	}
	if err := firstRoot(); err != nil {
		return err
	}
	for i, p := range places {
		made := os.Mkdir(p.to, 0o755)
		if made != nil && !os.IsExist(made) {
			return made
		}
		if err := unix.MoveMount(trees[i], "", unix.AT_FDCWD, p.to, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("mount %s: %w", p.to, err)
		}
		defer func() {
			_ = unix.Unmount(p.to, unix.MNT_DETACH)
			if made == nil {
				_ = os.Remove(p.to)
			}
		}()
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// firstRoot goes to the first root of the namespace: joining one's own leads to its topmost mount.
func firstRoot() error {
	ns, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	if err := unix.Unmount("/", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /: %w", err)
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err != nil {
		return err
	}
	if st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return errors.New("the first root is no RAM disk")
	}
	return nil
}
