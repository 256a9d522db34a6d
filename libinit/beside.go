package libinit

import (
	"path"

	"golang.org/x/sys/unix"
)

// directory is one of the root filesystem that stays open from one bind mount to the next, where they are side by side in
// it: what its path leads to is looked up once. No link and no mount is on that path, and none of the mounts since covers it.
type directory struct {
	path string // with a slash behind it; "" for none
	fd   int
}

// attachBeside attaches the detached mount of a directory beside the mount before. It tells whether it did: a file, a
// target that is missing or a link, and what else there may be need a closer look.
func (e *Env) attachBeside(mount int, target string) bool {
	dir, name := path.Split(target)
	if e.dir.path != dir {
		if kind, err := fileType(mount); err != nil || kind != unix.S_IFDIR {
			return false
		}
		fd, err := openPlain(int(e.Root.Fd()), dir)
		if err != nil {
			return false
		}
		e.leaveDirectory()
		e.dir = directory{dir, fd}
	}
	// Only a directory has a ".", and it is mounted on a directory alone: a link is none, and is not followed
	// (MOVE_MOUNT_T_SYMLINKS is not set). What is mounted at the name already, as a link to this directory may have led it
	// here, or who shares the root filesystem has renamed its place, is covered as a whole, a procfs too; never /proc, which
	// is another name, nor anything in it. To exchange the two names later would look the same.
	return unix.MoveMount(mount, ".", e.dir.fd, name, 0) == nil
}

func (e *Env) leaveDirectory() {
	if e.dir.path != "" {
		closeFd(e.dir.fd)
		e.dir = directory{}
	}
}
