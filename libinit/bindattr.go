package libinit

import (
	"fmt"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// BindAttributes are what a bind mount changes in the flags of its source's mount (MOUNT_ATTR_*, mount_setattr(2)).
//
// Without any option they stay as they are. With one, those that no option names are cleared, as mount(2) does with
// MS_BIND|MS_REMOUNT: {"bind", "nosuid"} of a read-only mount can be written to. How access times are kept changes
// only when an option says how: "atime" and other options that deny one only take an earlier option back.
type BindAttributes struct {
	Set, Clear uint64
	Unnamed    uint64 // to be cleared since no option names them
	// Locked says that the container has a user namespace: what the host has set stays (mount_namespaces(7),
	// "Restrictions on mount namespaces"). The kernel would let us clear it while the mount is not attached yet.
	Locked bool
}

// plainAttributes are the attributes but those of access times.
const plainAttributes = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV |
	unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSYMFOLLOW

// lockable are those of them that a user namespace may not clear.
const lockable = plainAttributes &^ unix.MOUNT_ATTR_NOSYMFOLLOW

// accessTimes are the attributes of access times.
const accessTimes = unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME

// bindAttributes makes them of the options.
func bindAttributes(o *mountOptions, locked bool) BindAttributes {
	if !o.attributes {
		return BindAttributes{}
	}
	a := BindAttributes{Set: o.set, Clear: o.clear & plainAttributes, Locked: locked}
	a.Unnamed = plainAttributes &^ (a.Set | a.Clear)
	if o.setsAtime || o.set&unix.MOUNT_ATTR_NODIRATIME != 0 {
		a.Clear |= accessTimes &^ (o.set & unix.MOUNT_ATTR_NODIRATIME)
	}
	return a
}

// apply changes the flags of a mount that is not attached yet.
func (a *BindAttributes) apply(fd int) error {
	if !a.any() {
		return nil
	}
	var locked uint64
	if a.Locked {
		var err error
		if locked, err = a.locked(fd); err != nil {
			return err
		}
	}
	if err := setAttr(fd, false, a.change(locked)); err != nil {
		return lockedHint(fmt.Errorf("mount_setattr: %w", err))
	}
	return nil
}

// any tells whether there is something to change.
func (a *BindAttributes) any() bool { return a.Set|a.Clear|a.Unnamed != 0 }

// change is what mount_setattr(2) is asked for, where the flags in locked stay.
func (a *BindAttributes) change(locked uint64) unix.MountAttr {
	return unix.MountAttr{Attr_set: a.Set, Attr_clr: (a.Clear | a.Unnamed) &^ locked}
}

// locked gives the flags of the mount that may not be cleared. That an option would clear one is an error.
func (a *BindAttributes) locked(fd int) (uint64, error) {
	now, err := attributesOf(fd)
	if err != nil {
		return 0, err
	}
	locked := now & lockable
	changed := locked & a.Clear
	if a.Clear&accessTimes != 0 {
		changed |= (now ^ a.Set) & accessTimes
	}
	if changed&unix.MOUNT_ATTR_RDONLY != 0 || a.Unnamed&locked&unix.MOUNT_ATTR_RDONLY != 0 {
		readonly, err := readonlyMount(fd)
		if err != nil {
			return 0, err
		}
		if !readonly {
			changed &^= unix.MOUNT_ATTR_RDONLY
		}
	}
	if changed != 0 {
		return 0, lockedHint(fmt.Errorf("change flags of the host's mount: %w", unix.EPERM))
	}
	return locked, nil
}

// attributesOf reads the flags of a mount.
func attributesOf(fd int) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return 0, fmt.Errorf("statfs: %w", err)
	}
	flags := uint64(st.Flags)
	attr := flags & (unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC) // the same bits
	for _, f := range [...]struct{ flag, attr uint64 }{
		{unix.ST_NOATIME, unix.MOUNT_ATTR_NOATIME},
		{unix.ST_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME},
		{stNoSymfollow, unix.MOUNT_ATTR_NOSYMFOLLOW},
	} {
		if flags&f.flag != 0 {
			attr |= f.attr
		}
	}
	if flags&(unix.ST_NOATIME|unix.ST_RELATIME) == 0 {
		attr |= unix.MOUNT_ATTR_STRICTATIME
	}
	return attr, nil
}

// stNoSymfollow is ST_NOSYMFOLLOW of linux/statfs.h (5.10).
const stNoSymfollow = 0x2000

// readonlyMount tells whether it is the mount that is read-only, and not only its filesystem, for statfs(2) does not.
func readonlyMount(fd int) (bool, error) {
	err := setAttr(fd, false, unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
	if errno(err) == unix.EPERM {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("mount_setattr: %w", err)
	}
	now, err := attributesOf(fd)
	if err != nil || now&unix.MOUNT_ATTR_RDONLY != 0 {
		return false, err
	}
	if err := setAttr(fd, false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return false, fmt.Errorf("mount_setattr: %w", err)
	}
	return true, nil
}

// lockedHint explains EPERM of mount_setattr(2): mount_namespaces(7), "Restrictions on mount namespaces".
func lockedHint(err error) error {
	if errno(err) != unix.EPERM {
		return err
	}
	return fault.Hint(err, "in a user namespace flags that the host has set on a mount (ro, nosuid, nodev, noexec, atime) cannot be cleared: leave out the option that clears one, as rw or exec")
}
