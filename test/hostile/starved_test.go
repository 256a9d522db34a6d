package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

// told checks that an error says something.
func (f *faults) told(r reply, words ...string) {
	if !r.failed() {
		return
	}
	for _, w := range words {
		if strings.Contains(r.err, w) {
			return
		}
	}
	f.fail("the error does not name the cause %q: %s", words, r.err)
}

// noSpace has a state root with hardly any space, or inodes.
func noSpace(f *faults) {
	f.must(os.MkdirAll(f.state(), 0o711))
	options := fmt.Sprintf("size=%dk", 4*(1+f.random.Intn(5)))
	if f.random.Intn(2) == 0 {
		options = fmt.Sprintf("nr_inodes=%d", 2+f.random.Intn(6))
	}
	f.trace = append(f.trace, options)
	f.must(unix.Mount("tmpfs", f.state(), "tmpfs", 0, options))
	r := f.do(nil, "create", "--bundle", f.bundle, f.id)
	f.told(r, "no space left")
	if !r.failed() {
		f.do(nil, "start", f.id)
		f.do(nil, "update", "--pids-limit", "50", f.id)
	}
	if r := f.do(nil, "list"); r.failed() {
		f.fail("list: %s", r.text())
	}
	if r := f.do(nil, "delete", "--force", f.id); r.failed() {
		f.fail("delete --force: %s", r.text())
	}
	if entries, _ := os.ReadDir(f.state()); len(entries) > 0 {
		f.fail("state %s is left", entries[0].Name())
	}
	f.must(unix.Unmount(f.state(), unix.MNT_DETACH))
}

// readOnlyState has a state root that becomes read-only.
func readOnlyState(f *faults) {
	f.must(os.MkdirAll(f.state(), 0o711))
	f.must(unix.Mount("tmpfs", f.state(), "tmpfs", 0, ""))
	phase := f.random.Intn(3)
	if phase > 0 {
		f.do(nil, "create", "--bundle", f.bundle, f.id)
	}
	if phase > 1 {
		f.do(nil, "start", f.id)
	}
	f.must(unix.Mount("", f.state(), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	commands := [][]string{{"create", "--bundle", f.bundle, f.id}, {"start", f.id}, {"delete", "--force", f.id}}
	r := f.do(nil, commands[phase]...)
	if !r.failed() {
		f.fail("%s succeeded", commands[phase][0])
	}
	f.told(r, "read-only file system")
	if r := f.do(nil, "list"); r.failed() {
		f.fail("list: %s", r.text())
	}
	f.must(unix.Mount("", f.state(), "", unix.MS_REMOUNT, ""))
	if r := f.do(nil, "delete", "--force", f.id); r.failed() {
		f.fail("delete --force: %s", r.text())
	}
	if entries, _ := os.ReadDir(f.state()); len(entries) > 0 {
		f.fail("state %s is left", entries[0].Name())
	}
	f.must(unix.Unmount(f.state(), unix.MNT_DETACH))
}

// noDescriptors lets a command have few.
func noDescriptors(f *faults) {
	c := f.command()
	n := 3 + f.random.Intn(20)
	f.trace = append(f.trace, fmt.Sprint("descriptors: ", n))
	r := f.do(f.inShell(fmt.Sprintf("ulimit -n %d && ", n)), c...)
	if r.failed() && r.err == "" {
		f.fail("no error was told")
	}
}

// inShell runs the command after something else.
func (f *faults) inShell(first string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", first + `exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
}

// noPids runs a command in a cgroup that has hardly a process left.
func noPids(f *faults) {
	c := f.command()
	dir := "/sys/fs/cgroup/pids/full-" + f.id
	if _, err := os.Stat("/sys/fs/cgroup/pids"); err != nil {
		dir = "/sys/fs/cgroup/full-" + f.id
		_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+pids"), 0)
	}
	f.must(os.Mkdir(dir, 0o755))
	defer func() {
		for end := time.Now().Add(10 * time.Second); os.Remove(dir) != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				f.fail("processes are left in %s: %s", dir, read(dir+"/cgroup.procs"))
				return
			}
			f.reap()
		}
	}()
	n := 1 + f.random.Intn(9)
	f.must(os.WriteFile(dir+"/pids.max", fmt.Append(nil, n), 0))
	f.trace = append(f.trace, fmt.Sprint("pids: ", n))
	r := f.do(f.inShell("echo $$ >"+dir+"/cgroup.procs && "), c...)
	if r.failed() && r.err == "" {
		f.fail("no error was told")
	}
	// A detached exec joins the cgroup of the container, or there is none.
	f.do(nil, "delete", "--force", f.id)
}

// deaf is a socket that takes connections and never answers; full, it does not even take them.
func (f *faults) deaf(full bool) (path string, done func()) {
	path = filepath.Join(f.dir, "deaf.sock")
	_ = os.Remove(path)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	f.must(err)
	f.must(unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	backlog := 16
	if full {
		backlog = 0
	}
	f.must(unix.Listen(fd, backlog))
	all := []int{fd}
	if full {
		for range 4 {
			c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			f.must(err)
			all = append(all, c)
			if unix.Connect(c, &unix.SockaddrUnix{Name: path}) != nil {
				break
			}
		}
	}
	f.trace = append(f.trace, fmt.Sprint("deaf socket, full: ", full))
	return path, func() {
		for _, fd := range all {
			_ = unix.Close(fd)
		}
	}
}

// silentConsole hands the terminal to who does not take it.
func silentConsole(f *faults) {
	path, done := f.deaf(f.random.Intn(2) == 0)
	defer done()
	f.spec.Process.Terminal = true
	f.writeSpec()
	defer f.writeSpec()
	defer func() { f.spec.Process.Terminal = false }()
	r := f.do(nil, "create", "--console-socket", path, "--bundle", f.bundle, f.id)
	f.told(r, "hand over terminal")
}

// silentAgent has an agent for seccomp that never answers.
func silentAgent(f *faults) {
	path, done := f.deaf(f.random.Intn(2) == 0)
	defer done()
	f.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: path,
		Syscalls: []specs.LinuxSyscall{{Names: []string{"getpid", "getppid"}, Action: specs.ActNotify}}}
	f.writeSpec()
	defer f.writeSpec()
	defer func() { f.spec.Linux.Seccomp = nil }()
	r := f.do(nil, "run", "--detach", "--bundle", f.bundle, f.id)
	f.told(r, "seccomp agent")
}

// silentDBus has a bus for systemd that never answers.
func silentDBus(f *faults) {
	path, done := f.deaf(false)
	defer done()
	defer func(limit time.Duration) { f.limit = limit }(f.limit)
	f.limit = rig.Scale(2 * time.Minute)
	// The host looks as if systemd ran.
	f.must(unix.Mount("tmpfs", "/run", "tmpfs", 0, ""))
	defer func() { f.must(unix.Unmount("/run", unix.MNT_DETACH)) }()
	f.must(os.MkdirAll("/run/systemd/system", 0o755))
	begin := time.Now()
	r := f.do(func(cmd *exec.Cmd) {
		cmd.Args = append([]string{cmd.Args[0], "--systemd-cgroup"}, cmd.Args[1:]...)
		cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+path, "DBUS_SESSION_BUS_ADDRESS=unix:path="+path)
	}, "create", "--bundle", f.bundle, f.id)
	if !r.failed() {
		f.fail("create succeeded")
	}
	f.told(r, "no answer on D-Bus")
	f.t.Logf("a silent bus: %.0f s, %s", time.Since(begin).Seconds(), r.text())
}

// fifoRemoved removes a FIFO by which start and init meet.
func fifoRemoved(f *faults) {
	f.do(nil, "create", "--bundle", f.bundle, f.id)
	fifos, err := filepath.Glob(filepath.Join(f.state(), f.id, "*"))
	f.must(err)
	for _, name := range fifos {
		info, err := os.Lstat(name)
		f.must(err)
		if info.Mode()&os.ModeNamedPipe != 0 && f.random.Intn(2) == 0 {
			f.trace = append(f.trace, "remove "+filepath.Base(name))
			f.must(os.Remove(name))
		}
	}
	r := f.do(nil, "start", f.id)
	if r.failed() && r.err == "" {
		f.fail("no error was told")
	}
	f.do(nil, "state", f.id)
}

// garbageState damages state.json, or another file, of a container in any state.
func garbageState(f *faults) {
	f.do(nil, "create", "--bundle", f.bundle, f.id)
	if f.random.Intn(2) == 0 {
		f.do(nil, "start", f.id)
	}
	name := filepath.Join(f.state(), f.id, []string{"state.json", "config.json"}[f.random.Intn(2)])
	b, err := os.ReadFile(name)
	f.must(err)
	switch f.random.Intn(4) {
	case 0:
		b = b[:f.random.Intn(len(b))]
	case 1:
		for range 1 + f.random.Intn(20) {
			b[f.random.Intn(len(b))] = byte(f.random.Intn(256))
		}
		if json.Valid(b) { // it would be another container's truth, not garbage
			b = b[1:]
		}
	case 2:
		b = nil
	case 3:
		b = []byte(strings.Repeat("[", 100000))
	}
	f.trace = append(f.trace, fmt.Sprintf("damage %s: %.200q", filepath.Base(name), b))
	f.must(os.WriteFile(name, b, 0o600))
	for _, command := range [][]string{{"state", f.id}, {"start", f.id}, {"exec", f.id, "/bin/attacker", "true"}, {"kill", f.id, "0"}, {"pause", f.id}, {"resume", f.id}, {"ps", f.id}} {
		f.do(nil, command...)
	}
	if r := f.do(nil, "list"); r.failed() {
		f.fail("list: %s", r.text())
	}
}
