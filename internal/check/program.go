package check

import (
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/bundle"
	"mydocker/internal/fault"
	"mydocker/internal/hooks"
	"mydocker/libinit"
)

// files are those of a view, for a process: libinit.Files.
type files struct {
	*view
	process *specs.Process
}

// absolute is a path from the root: others are relative to the working directory.
func (f *files) absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return f.process.Cwd + "/" + name
}

// Open implements libinit.Files.
func (f *files) Open(name string) (int, error) {
	at, err := f.lookup(f.absolute(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(at.fd)
	if at.mode&unix.S_IFMT != unix.S_IFREG {
		return -1, unix.EACCES
	}
	return unix.Open("/proc/self/fd/"+itoa(at.fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
}

// Executable implements libinit.Files.
func (f *files) Executable(name string) error {
	at, err := f.lookup(f.absolute(name))
	if err != nil {
		return err
	}
	defer unix.Close(at.fd)
	var st unix.Stat_t
	if err := unix.Fstat(at.fd, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return unix.EISDIR
	case unix.S_IFREG:
	default:
		return unix.EACCES
	}
	if !f.mayExecute(&st) {
		return unix.EACCES
	}
	return nil
}

// mayExecute judges by the mode as the kernel does. What a user namespace maps is not looked at: there the owner is
// another, and it is enough that anybody may.
func (f *files) mayExecute(st *unix.Stat_t) bool {
	if st.Mode&0o111 == 0 {
		return false
	}
	u := &f.process.User
	switch {
	case u.UID == 0 || os.Geteuid() != 0:
		return true
	case u.UID == st.Uid:
		return st.Mode&0o100 != 0
	case u.GID == st.Gid || slices.Contains(u.AdditionalGids, st.Gid):
		return st.Mode&0o010 != 0
	}
	return st.Mode&0o001 != 0
}

// program looks for the program, its interpreter and its working directory.
func (c *checker) program() {
	p := c.spec.Process
	if p == nil {
		return
	}
	c.directory()
	c.startHooks()
	if len(p.Args) == 0 {
		return
	}
	err := libinit.CheckProgram(p.Args[0], environment(p.Env, "PATH"), &files{c.view, p})
	if err == nil || isUnseen(err) {
		return
	}
	if fault.Of(err).Code == fault.ExecFormat && foreignFormats() {
		c.doubt(fault.Hint(err, "a handler of binfmt_misc may take it"))
		return
	}
	c.wrong(fault.During(fault.Start, err))
}

// startHooks looks for the hooks that are programs of the container.
func (c *checker) startHooks() {
	f := &files{c.view, c.spec.Process}
	for i, h := range bundle.HooksOf(c.spec)["startContainer"] {
		err := f.Executable(h.Path)
		if path.IsAbs(h.Path) && err != nil && !isUnseen(err) {
			c.wrong(hooks.Missing("startContainer", i, h.Path, err))
		}
	}
}

// directory looks at process.cwd, which init makes when it is missing.
func (c *checker) directory() {
	cwd := c.spec.Process.Cwd
	if !path.IsAbs(cwd) {
		return
	}
	at, err := c.view.lookup(cwd)
	if err == nil {
		_ = unix.Close(at.fd)
	}
	c.inside("process.cwd", cwd, &at)
	if at.mode&unix.S_IFMT != unix.S_IFDIR && (err == nil || err == unix.ENOTDIR) {
		c.wrong(libinit.CwdError(cwd, unix.ENOTDIR))
	}
	// What is missing in a mount can be made there, unless that is read-only, too.
	if err == unix.ENOENT && c.spec.Root.Readonly && !c.view.mounted(at.there) {
		c.wrong(libinit.CwdError(cwd, unix.EROFS))
	}
}

// inside is a doubt about a path that leads out of the root filesystem.
func (c *checker) inside(field, name string, at *found) {
	if at.leaves {
		c.doubt(leaves(field, name, at.path))
	}
}

func environment(env []string, name string) (value string) {
	for _, v := range env {
		if n, v, ok := strings.Cut(v, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// foreignFormats tells whether binfmt_misc has handlers: the kernel then executes more than its own format.
func foreignFormats() bool {
	entries, _ := os.ReadDir("/proc/sys/fs/binfmt_misc")
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != "register" && e.Name() != "status" })
}
