package check

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/lsm"
	"mydocker/internal/rdt"
	"mydocker/internal/spawn"
	"mydocker/libinit"
)

// Machine is what this host, as the caller sees it, has for containers.
type Machine struct {
	Kernel       string    `json:"kernel"`
	Architecture string    `json:"architecture"`
	Verdict      string    `json:"verdict"` // fine, doubtful or wrong
	Features     []Feature `json:"features"`
	Findings     []Finding `json:"findings"`
}

// Feature is one thing that containers may use.
type Feature struct {
	Group string `json:"group"` // kernel, namespaces, user namespaces, cgroups, security, mounts, tools
	Name  string `json:"name"`
	There bool   `json:"there"`
	// Detail is what is known beyond that: a limit, a version, or why it is not there.
	Detail string `json:"detail,omitempty"`
}

// Code is the exit code: 0 for fine, 1 for doubtful, 2 for wrong.
func (m *Machine) Code() int { return (&Report{Verdict: m.Verdict}).Code() }

// Host looks at the machine. Nothing is changed; an ID-mapped mount is tried on a mount that nobody sees.
func Host() *Machine {
	m := &Machine{Kernel: kernel(), Architecture: runtime.GOARCH, Verdict: "fine", Findings: []Finding{}}
	m.calls()
	m.namespaces()
	m.userNamespaces()
	m.cgroups()
	m.security()
	m.mounts()
	m.tools()
	return m
}

func (m *Machine) add(group, name string, there bool, detail string) {
	m.Features = append(m.Features, Feature{group, name, there, detail})
}

func (m *Machine) find(level Level, code fault.Code, text, hint string) {
	m.Findings = append(m.Findings, Finding{Level: level, Code: code, Text: text, Hint: hint})
	if level == Wrong || m.Verdict == "fine" {
		m.Verdict = string(level)
	}
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// atLeast tells whether a kernel's release is this version or a later one.
func atLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n < 2 {
		return false
	}
	return a > major || a == major && b >= minor
}

// calls are the system calls without which nothing works, each asked for in a way that cannot succeed.
func (m *Machine) calls() {
	const bad = ^uintptr(0)
	for _, c := range []struct {
		name, since string
		number      uintptr
		needed      bool
	}{
		{"clone3", "5.3", unix.SYS_CLONE3, true}, {"pidfd_open", "5.3", unix.SYS_PIDFD_OPEN, true},
		{"openat2", "5.6", unix.SYS_OPENAT2, true}, {"close_range", "5.9, with CLOEXEC 5.11", unix.SYS_CLOSE_RANGE, true},
		{"fsopen", "5.2", unix.SYS_FSOPEN, true}, {"fsconfig", "5.2", unix.SYS_FSCONFIG, true},
		{"open_tree", "5.2", unix.SYS_OPEN_TREE, true}, {"move_mount", "5.2", unix.SYS_MOVE_MOUNT, true},
		{"mount_setattr", "5.12", unix.SYS_MOUNT_SETATTR, true}, {"seccomp", "3.17", unix.SYS_SECCOMP, false},
		{"set_mempolicy", "2.6.7, with CONFIG_NUMA", unix.SYS_SET_MEMPOLICY, false}, {"keyctl", "2.6.10, with CONFIG_KEYS", unix.SYS_KEYCTL, false},
	} {
		_, _, errno := unix.RawSyscall6(c.number, bad, 0, bad, bad, bad, bad)
		there := errno != unix.ENOSYS
		m.add("kernel", c.name, there, "since Linux "+c.since)
		if !there && c.needed {
			m.find(Wrong, fault.Unsupported, "system call "+c.name+": not there", "mydocker needs Linux 5.12; "+c.name+" came with "+c.since+". An outer seccomp filter may forbid it, too")
		}
	}
	if !atLeast(m.Kernel, 5, 12) {
		m.find(Wrong, fault.Unsupported, "kernel "+m.Kernel+" is too old", "mydocker needs Linux 5.12")
	}
	m.add("kernel", "nosymfollow mounts", atLeast(m.Kernel, 5, 14), "since Linux 5.14")
	m.add("kernel", "cgroup.kill", atLeast(m.Kernel, 5, 14), "since Linux 5.14")
}

// namespaces are the types of them, with the limits of user.max_*_namespaces.
func (m *Machine) namespaces() {
	for _, kind := range []specs.LinuxNamespaceType{
		specs.CgroupNamespace, specs.IPCNamespace, specs.MountNamespace, specs.NetworkNamespace, specs.PIDNamespace,
		specs.TimeNamespace, specs.UserNamespace, specs.UTSNamespace,
	} {
		err := spawn.Foresee(kind, true)
		detail := "at most " + spawn.Most(kind)
		if err != nil {
			detail = fault.Of(err).Hint
			m.find(Doubtful, fault.Namespace, "no new "+string(kind)+" namespaces", detail)
		}
		m.add("namespaces", string(kind), err == nil, detail)
	}
}

// userNamespaces are what containers without root need.
func (m *Machine) userNamespaces() {
	for _, s := range []struct{ name, ok string }{
		{"kernel/unprivileged_userns_clone", "1"}, {"kernel/apparmor_restrict_unprivileged_userns", "0"},
	} {
		if value, err := readLine("/proc/sys/" + s.name); err == nil {
			m.add("user namespaces", strings.ReplaceAll(s.name, "/", "."), value == s.ok, "is "+value)
		}
	}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		m.tool("user namespaces", name)
	}
	for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
		b, err := os.ReadFile(name)
		m.add("user namespaces", name, err == nil && len(b) > 0, strconv.Itoa(strings.Count(string(b), "\n"))+" ranges")
	}
	if err := libinit.ForeseeProc(); err != nil {
		m.add("user namespaces", "new procfs", false, fault.Of(err).Hint)
		m.find(Doubtful, fault.ProcMasked, "a container in a user namespace cannot have a new procfs", fault.Of(err).Hint)
		return
	}
	m.add("user namespaces", "new procfs", true, "nothing covers the one here")
}

// cgroups are the layout and the controllers.
func (m *Machine) cgroups() {
	layout, all, err := cgroups.Describe()
	if err != nil {
		m.add("cgroups", "layout", false, err.Error())
		m.find(Wrong, fault.Cgroup, "cgroups: "+err.Error(), "mount the hierarchies at /sys/fs/cgroup")
		return
	}
	m.add("cgroups", "layout", true, layout)
	have := map[string]bool{}
	for _, c := range all {
		m.add("cgroups", c.Name, true, c.Where)
		have[c.Name] = true
	}
	for _, name := range []string{"memory", "cpu", "cpuset", "pids"} {
		if !have[name] {
			m.add("cgroups", name, false, "no hierarchy has it")
			m.find(Doubtful, fault.Controller, "cgroup controller "+name+" is not there", "limits that need it are refused: enable it in cgroup.subtree_control above, or at boot")
		}
	}
}

// security are seccomp and the modules that label processes.
func (m *Machine) security() {
	actions, err := readLine("/proc/sys/kernel/seccomp/actions_avail")
	m.add("security", "seccomp", err == nil, actions)
	m.add("security", "AppArmor", lsm.AppArmorEnabled(), "")
	m.add("security", "SELinux", lsm.SELinuxEnabled(), "")
	if list, err := readLine("/sys/kernel/security/lsm"); err == nil {
		m.add("security", "modules", true, list)
	}
	m.add("security", "CAP_SYS_ADMIN", holds(unix.CAP_SYS_ADMIN), "")
	m.add("security", "CAP_SYS_RESOURCE", holds(unix.CAP_SYS_RESOURCE), "raises hard limits, lowers oom_score_adj")
}

// mounts are the filesystems that most containers use, and ID-mapped mounts.
func (m *Machine) mounts() {
	b, _ := os.ReadFile("/proc/filesystems")
	for _, name := range []string{"proc", "sysfs", "tmpfs", "devpts", "mqueue", "overlay", "cgroup2", "fuse"} {
		there := slices.Contains(strings.Fields(string(b)), name)
		detail := ""
		if !there {
			detail = "not in /proc/filesystems: its module may not be loaded yet"
		}
		m.add("mounts", name, there, detail)
	}
	err := tryIDMap()
	detail := "tried with /"
	if err != nil {
		detail = err.Error()
	}
	m.add("mounts", "ID-mapped mounts", err == nil, detail)
	err = rdt.Check()
	detail = ""
	if err != nil {
		detail = fault.Of(err).Hint
	}
	m.add("mounts", "resctrl (Intel RDT)", err == nil, detail)
}

// tryIDMap maps the IDs of a copy of the mount at /, which is never attached.
func tryIDMap() error {
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 1}}
	ns, err := spawn.UserNamespace(ids, ids)
	if err != nil {
		return err
	}
	defer ns.Close()
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("clone /: %w", err)
	}
	defer unix.Close(fd)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return fmt.Errorf("map the IDs of /: %w", err)
	}
	return nil
}

// tools are programs that are started.
func (m *Machine) tools() {
	m.criu()
	m.tool("tools", "ps")
	_, err := os.Stat("/run/systemd/system")
	m.add("tools", "systemd", err == nil, "for --systemd-cgroup")
}

// criu is asked for its version, `Version: 4.1`, and, as root, whether it gets on with this kernel (criu-check(8)).
func (m *Machine) criu() {
	path, err := exec.LookPath("criu")
	if err != nil {
		m.add("tools", "criu", false, "not in $PATH: for checkpoint and restore")
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), answerWait)
	defer stop()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		m.add("tools", "criu", false, path+": "+err.Error())
		return
	}
	first, _, _ := strings.Cut(string(out), "\n")
	about := strings.TrimSpace(strings.TrimPrefix(first, "Version:")) + " at " + path
	if os.Geteuid() == 0 {
		if out, err := exec.CommandContext(ctx, path, "check").CombinedOutput(); err != nil {
			first, _, _ = strings.Cut(string(out), "\n")
			m.add("tools", "criu", false, about+", which does not work here: "+cmp.Or(first, err.Error()))
			return
		}
	}
	m.add("tools", "criu", true, about)
}

// answerWait is how long a program may take to tell its version.
const answerWait = 10 * time.Second

func (m *Machine) tool(group, name string) {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "not in $PATH"
	}
	m.add(group, name, err == nil, path)
}

func readLine(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}
