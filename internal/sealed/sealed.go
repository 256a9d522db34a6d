// Package sealed gives a copy of the running binary that what runs in a container can neither change nor reach the
// host's file through: /proc/self/exe of init is the copy (CVE-2019-5736).
//
// There are two kinds. An overlay of the binary's directory shares its pages with the host's file, and costs about
// 0.1 ms, 0.2 ms when hidden; a sealed memfd has to be filled with a copy, at about 0.3 ms for each MiB. So the
// overlay is the first choice, and the memfd is for callers without the privilege to mount, and for directories and
// kernels of which no overlay can be made.
package sealed

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Copy is a sealed copy of the binary, open to be executed. Where it is an overlay, the kernel waits for all CPUs when its
// mounts are taken apart, and again when the last descriptor or process of the copy goes (synchronize_rcu_expedited,
// namespace_unlock and kern_unmount_array): 0.1 ms each, which Detach and Close take on themselves at a time when nobody waits.
type Copy struct {
	*os.File
	mounts []int // detached, on which the copy is
}

// Detach gives up the mounts of the copy, which stays open.
func (c *Copy) Detach() {
	for _, fd := range c.mounts {
		unix.Close(fd)
	}
	c.mounts = nil
}

// Close gives up the copy. Of nil it does nothing.
func (c *Copy) Close() {
	if c == nil {
		return
	}
	c.Detach()
	_ = c.File.Close()
}

// Self returns a sealed copy of the running binary.
//
// hidden is for an init that enters a user namespace. Until init has made itself undumpable, root of that namespace
// could trace it, and afterwards, too, with CAP_SYS_PTRACE. A copy that it may not read makes the kernel forbid that
// from execve on, and give the process's memory to the user namespace that may read it, which is the host's
// (would_dump in the kernel's fs/exec.c, Linux 4.10). It has no effect where the namespace maps the owner of the copy,
// who is the caller: without root there is no ID that could keep a secret from the caller's own containers.
func Self(hidden bool) (*Copy, error) {
	if os.Geteuid() == 0 {
		if c, err := overlay(hidden); err == nil {
			return c, nil
		}
		// Without privilege, or with a directory or a kernel of which there is no overlay.
	}
	c, err := memfd(hidden)
	if err != nil {
		err = fault.New(fault.System, "", fmt.Errorf("seal a copy of mydocker: %w", err))
		if b, _ := os.ReadFile("/proc/sys/vm/memfd_noexec"); len(b) > 0 && b[0] == '2' {
			return nil, fault.Hint(err, "sysctl vm.memfd_noexec is 2, which forbids to execute what is in memory only")
		}
		return nil, err
	}
	return c, nil
}

// fileName is what errors call the copy.
const fileName = "sealed mydocker"

// hiddenMode lets everybody execute the copy, and nobody read it.
const hiddenMode = unix.S_IXUSR | unix.S_IXGRP | unix.S_IXOTH
