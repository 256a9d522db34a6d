package hostile

// weakening takes one defence away from mydocker, by edits of its code, and names the attacks that have to succeed then:
// they show that it is this defence by which the attack is withstood.
type weakening struct {
	name    string
	edits   []edit
	attacks []string
	// pretence is what the host lacks: with these edits alone the attacks must fail.
	pretence []edit
}

// edit replaces text that a file has exactly once.
type edit struct{ file, old, new string }

// believer takes the host for one with SELinux.
var believer = []edit{{"internal/lsm/lsm.go", "func SELinuxEnabled() bool {\n", "func SELinuxEnabled() bool {\nif true {\nreturn true\n}\n"}}

// private is what is written to in place of the container's /proc.
var private = []edit{
	{"libinit/sysctl.go", `proc, err := e.Proc()`, `proc, err := openIn(int(e.Root.Fd()), "/proc", 0)`},
	{"libinit/sysctl.go", `writeIn(int(proc.Fd()), "sys/"`, `writeIn(proc, "sys/"`},
	{"libinit/lsm.go", `proc, err := e.Proc()`, `proc, err := openIn(int(e.Root.Fd()), "/proc", 0)`},
	{"libinit/lsm.go", `writeIn(int(proc.Fd()), fmt`, `writeIn(proc, fmt`},
}

// weakenings are the defences of SECURITY.md.
var weakenings = []weakening{
	{"what is no number is no user", []edit{
		{"user.go", `if uid, err = parseID(user); err != nil {`, `if uid, err = parseID(user); false {`},
	}, []string{"numeric-names"}, nil},
	{"init is not dumpable", []edit{
		{"libinit/init.go", `unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)`, `error(nil)`},
	}, []string{"trace-joining"}, nil},
	{"a copy that nobody inside can read", []edit{
		{"internal/sealed/sealed.go", `if os.Geteuid() == 0 {`, `if hidden = false; os.Geteuid() == 0 {`},
	}, []string{"trace-joining"}, nil},
	{"init is a sealed copy", []edit{
		{"internal/sealed/sealed.go", `if os.Geteuid() == 0 {`, "if true {\nfd, err := unix.Open(\"/proc/self/exe\", unix.O_RDONLY|unix.O_CLOEXEC, 0)\nreturn os.NewFile(uintptr(fd), fileName), err\n}\nif os.Geteuid() == 0 {"},
	}, []string{"overwrite-binary"}, nil},
	{"nothing is mounted within a procfs", []edit{
		{"libinit/mount.go", `if magic == unix.PROC_SUPER_MAGIC {`, `if magic == unix.PROC_SUPER_MAGIC && false {`},
	}, []string{"covered-proc"}, nil},
	{"paths end inside the root", []edit{
		{"libinit/resolve.go", `Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | extra,`, `Resolve: extra,`},
		{"libinit/resolve.go", `unix.Openat2(root, path, &how)`, `unix.Openat2(root, "./"+path, &how)`},
	}, []string{"linked-targets", "linked-dev"}, nil},
	{"a target is used by the descriptor that it was resolved to", []edit{
		{"libinit/mount.go", "data, err := m.data(at, made)", `b := make([]byte, unix.PathMax)
	n, _ := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", at), b)
	data, err := m.data(at, made)`},
		{"libinit/mount.go", "return e.place(fd, at, m.Target, m.Propagation, m.use())", `if at, err = unix.Open(string(b[:n]), unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	return e.place(fd, at, m.Target, m.Propagation, m.use())`},
	}, []string{"exchanged-target"}, nil},
	{"a link beside the mount before is not followed", []edit{
		{"libinit/beside.go", `name, 0) == nil`, `name, unix.MOVE_MOUNT_T_SYMLINKS) == nil`},
	}, []string{"exchanged-target"}, nil},
	{"no link leads to the directory of mounts side by side", []edit{
		{"libinit/beside.go", `openPlain(int(e.Root.Fd()), dir)`, `openIn(int(e.Root.Fd()), dir, 0)`},
	}, []string{"exchanged-target"}, nil},
	{"what goes to /proc is looked at, beside another, too", []edit{
		{"libinit/bind.go", `case i == 0, b.Below, b.use() != useNone,`, `case i == 0, b.Below,`},
	}, []string{"covered-proc"}, nil},
	{"what is missing is made name by name, by descriptors", []edit{
		{"libinit/resolve.go", "w := walker{target: t}\n\tfd, err = w.walk(root)", `b := make([]byte, unix.PathMax)
	n, _ := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", root), b)
	path := string(b[:n])
	for name := range strings.SplitSeq(t.path, "/") {
		path += "/" + name
		if path == string(b[:n])+"/"+t.path && t.file {
			fd, _ = unix.Open(path, unix.O_CREAT|unix.O_CLOEXEC, 0o644)
			closeFd(fd)
		}
		_ = unix.Mkdir(path, 0o755)
	}
	fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)`},
	}, []string{"exchanged-mkdir", "written-links"}, nil},
	{"no link on the way to /proc and /sys", []edit{
		{"libinit/mount.go", `Ordinary: m.Type == "proc" || m.Type == "sysfs",`, `Ordinary: false,`},
	}, []string{"linked-proc"}, nil},
	{"/proc stays open until it is masked", []edit{
		{"libinit/mount.go", "case m.Ordinary:\n\t\treturn useKeep", "case m.Ordinary:\n\t\treturn useNone"},
	}, []string{"exchanged-proc"}, nil},
	{"inheritable capabilities are those asked for", []edit{
		{"libinit/caps.go", `s.Inheritable&s.Bounding&permitted)`, `s.Permitted&s.Bounding&permitted)`},
	}, []string{"inheritable"}, nil},
	{"a recursive bind of /sys is read-only throughout", []edit{
		{"libinit/bind.go", `b.RecSet |= unix.MOUNT_ATTR_RDONLY`, `b.RecSet |= 0`},
	}, []string{"writable-cgroup"}, nil},
	{"descriptors are closed, the working directory is looked for inside", []edit{
		{"internal/spawn/program.go", `if first, last := uintptr(exe+1), s.theirs-1; first <= last {`, `if first, last := uintptr(exe+1), s.theirs-1; first <= last && false {`},
		{"internal/spawn/program.go", `s.call("close descriptors", unix.SYS_CLOSE_RANGE, s.theirs+1, uintptr(^uint32(0)), 0)`, ``},
		{"libinit/cwd.go", `fd, err := s.open(int(e.Root.Fd()))`, `fd, err := unix.Open(s.Path, unix.O_PATH|unix.O_CLOEXEC, 0)`},
	}, []string{"leaked-cwd"}, nil},
	{"descriptors are closed, twice", []edit{
		{"internal/spawn/program.go", `if first, last := uintptr(exe+1), s.theirs-1; first <= last {`, `if first, last := uintptr(exe+1), s.theirs-1; first <= last && false {`},
		{"internal/spawn/program.go", `s.call("close descriptors", unix.SYS_CLOSE_RANGE, s.theirs+1, uintptr(^uint32(0)), 0)`, ``},
		{"libinit/exec.go", `unix.CloseRange(uint(3+e.Preserved), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC)`, `error(nil)`},
	}, []string{"leaked-program"}, nil},
	{"/dev/null is the null device", []edit{
		{"libinit/mask.go", `if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3)) {`, `if false {`},
	}, []string{"swapped-null-at-once", "exchanged-null"}, nil},
	{"what lies in the place of a device is replaced, /dev/null is the null device", []edit{
		{"libinit/device.go", `err = replaceNode(dir, name, d)`, `err = nil`},
		{"libinit/mask.go", `if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3)) {`, `if false {`},
	}, []string{"swapped-null"}, nil},
	{"the terminal is opened by descriptor", []edit{
		{"libinit/console.go", `openIn(int(e.Root.Fd()), "/dev/pts/ptmx", unix.RESOLVE_NO_SYMLINKS)`, `openIn(int(e.Root.Fd()), "/dev/pts/ptmx", 0)`},
		{"libinit/console.go", `if err := bindConsole(e, peer); err != nil {`, `n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
		if err != nil {
			return err
		}
		named, err := openIn(int(e.Root.Fd()), "/dev/pts/"+strconv.Itoa(n), 0)
		if err != nil {
			return err
		}
		if err := bindConsole(e, named); err != nil {`},
	}, []string{"swapped-console"}, nil},
	{"a private procfs to write to", private, []string{"redirected-sysctl", "exchanged-sysctl", "redirected-label"}, nil},
	{"a private procfs to write to, as if with SELinux", private, []string{"redirected-selinux"}, believer},
	{"devices are denied by default", []edit{
		{"internal/cgroups/set.go", "func (c *Cgroup) setDevices(rules *ruleset) error {\n", "func (c *Cgroup) setDevices(rules *ruleset) error {\nif true {\nreturn nil\n}\n"},
	}, []string{"unlisted-devices"}, nil},
	{"--no-pivot moves the root to /", []edit{
		{"libinit/pivot.go", `if own != "/" { // else`, `if own == "" { // else`},
	}, []string{"no-pivot"}, nil},
	{"--no-pivot takes the host's procfs away", []edit{
		{"libinit/pivot.go", `if err := hideFull(own); err != nil {`, `if err := error(nil); err != nil {`},
	}, []string{"no-pivot"}, nil},
	{"exec --cgroup stays below the container's", []edit{
		{"internal/cgroups/exec.go", "clean := path.Clean(\"/\" + p)\n\tif slices.Contains(strings.Split(p, \"/\"), \"..\") || ", "clean := path.Clean(\"/\") + p\n\tif "},
	}, []string{"cgroup-paths"}, nil},
	{"an id is a name", []edit{
		{"internal/container/store.go", `c != '_' && c != '+'`, `c != '_' && c != '/' && c != '+'`},
	}, []string{"odd-ids"}, nil},
	{"a session keyring of its own", []edit{
		{"libinit/keyring.go", "func (k *Keyring) Do(e *Env) error {\n", "func (k *Keyring) Do(e *Env) error {\nif true {\nreturn nil\n}\n"},
	}, []string{"keyring"}, nil},
}
