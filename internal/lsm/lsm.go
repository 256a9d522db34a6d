// Package lsm asks the kernel which security modules label its processes.
package lsm

import (
	"os"

	"golang.org/x/sys/unix"
)

// AppArmorEnabled tells whether AppArmor is built in and switched on (apparmor=1, security/apparmor/lsm.c).
func AppArmorEnabled() bool {
	b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && len(b) > 0 && b[0] == 'Y'
}

// SELinuxEnabled tells whether selinuxfs is mounted where it belongs, and may be written: mounted read-only it says
// to programs in a container that there is none (selinux(8), is_selinux_enabled(3)).
func SELinuxEnabled() bool {
	var st unix.Statfs_t
	for {
		err := unix.Statfs("/sys/fs/selinux", &st)
		if err != unix.EINTR {
			return err == nil && uint32(st.Type) == unix.SELINUX_MAGIC && st.Flags&unix.ST_RDONLY == 0
		}
	}
}
