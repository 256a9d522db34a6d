package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// A sandbox is what an engine sees as its host: process, network, mount, IPC, UTS and cgroup namespaces of its own, and
// fresh /run and /var/lib. What an engine forgets dies with it.

// stages are what the program does when it executes itself: enter becomes a sandbox, reap is process 1 there, and drive
// starts the engine and runs the scenarios.
var stages map[string]func([]string) error

func init() {
	stages = map[string]func([]string) error{"enter": enter, "reap": reap, "drive": drive}
}

// ownCgroup is where on cgroup v2 the sandbox itself and the engines are.
const ownCgroup = "engines"

// result is a line that drive prints.
type result struct {
	Scenario string
	Outcome  string // pass, fail, skip
	Log      string
}

// sandbox runs the scenarios of an engine with a runtime in a sandbox.
func sandbox(engine, runtimePath, pattern string) ([]result, error) {
	// The end of this thread would be the sandbox's (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name := fmt.Sprintf("engines-%d", os.Getpid())
	if err := makeCgroups(name); err != nil {
		return nil, err
	}
	defer removeCgroups(name)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "enter", name, engine, runtimePath, pattern)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(interrupts)
	interrupted := false
	go func() {
		if _, ok := <-interrupts; ok {
			interrupted = true
			_ = cmd.Process.Kill()
		}
	}()
	var results []result
	for s := bufio.NewScanner(out); s.Scan(); {
		var r result
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return nil, errors.Join(fmt.Errorf("%q: %w", s.Text(), err), cmd.Process.Kill(), cmd.Wait())
		}
		fmt.Fprintf(os.Stderr, "%-4s %s %s %s\n", r.Outcome, engine, filepath.Base(runtimePath), r.Scenario)
		results = append(results, r)
	}
	if err := cmd.Wait(); err != nil || interrupted {
		return results, fmt.Errorf("the sandbox ended early: %w", err)
	}
	return results, nil
}

// hierarchies are the mounted cgroup hierarchies, v1 and v2.
func hierarchies() ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(i.FSType, "cgroup") || !strings.HasPrefix(i.Mountpoint, "/sys/fs/cgroup"), false
	})
}

// unified says whether cgroup v2 is all there is.
func unified(all []*mountinfo.Info) bool { return len(all) == 1 && all[0].FSType == "cgroup2" }

// makeCgroups makes a cgroup in each hierarchy, usable: a new cpuset of v1 has neither CPUs nor memory nodes, and of v2
// there are the controllers that the parent hands on.
func makeCgroups(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		dir := filepath.Join(h.Mountpoint, name)
		if unified(all) {
			if err := handOn(h.Mountpoint); err != nil {
				return err
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h.Mountpoint, file))
			if err == nil && h.FSType == "cgroup" {
				if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// handOn enables all controllers of a cgroup of v2 for those below it.
func handOn(dir string) error {
	all, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(all)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the cgroups once the sandbox is no more.
func removeCgroups(name string) {
	all, _ := hierarchies()
	for _, h := range all {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(h.Mountpoint, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := os.Remove(dirs[i]); err != nil {
				fmt.Fprintln(os.Stderr, "engines:", err)
			}
		}
	}
}

// enter joins the cgroups, makes the view of the host, and becomes process 1 of the sandbox.
func enter(args []string) error {
	runtime.LockOSThread() // unshare(2) is for a thread, and execve(2) keeps what the thread has
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := os.WriteFile(filepath.Join(h.Mountpoint, args[0], "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return err
	}
	if err := makeView(all, filepath.Base(args[2])); err != nil {
		return err
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(self, append([]string{self, "reap"}, args[1:]...), os.Environ())
}

// makeView mounts what the sandbox has of its own.
func makeView(cgroups []*mountinfo.Info, runtimeName string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	// As systemd leaves it: volumes with shared propagation need it.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	for _, dir := range []string{"/run", "/dev/shm", "/var/lib/containers", "/var/lib/containerd", "/var/lib/docker", "/var/lib/cni",
		"/var/lib/nerdctl", "/etc/containers", "/etc/containerd", "/etc/docker", "/etc/cni/net.d", "/etc/nerdctl", "/opt", "/var/log"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := os.Chmod("/dev/shm", 0o1777); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/tmp", 0o1777); err != nil {
		return err
	}
	return makeHierarchies(cgroups, runtimeName)
}

// makeHierarchies mounts the cgroups anew, from the sandbox's own as root. crun 1.8 refuses v1 where v2 is mounted too.
func makeHierarchies(all []*mountinfo.Info, runtimeName string) error {
	if err := unix.Unmount("/sys/fs/cgroup", unix.MNT_DETACH); err != nil {
		return err
	}
	if unified(all) {
		return makeUnified()
	}
	if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, h := range all {
		if h.FSType == "cgroup2" && runtimeName == "crun" {
			continue
		}
		if err := os.Mkdir(h.Mountpoint, 0o755); err != nil {
			return err
		}
		options := ""
		if h.FSType == "cgroup" {
			options = h.VFSOptions[strings.Index(h.VFSOptions, ",")+1:]
			if strings.HasPrefix(options, "name=") {
				options = "none," + options
			}
		}
		if err := unix.Mount("cgroup", h.Mountpoint, h.FSType, 0, options); err != nil {
			return fmt.Errorf("mount %s (%s): %w", h.Mountpoint, options, err)
		}
	}
	return nil
}

// makeUnified mounts the one hierarchy of cgroup v2, whose cgroups have either processes or controllers to hand on.
func makeUnified() error {
	if err := unix.Mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
		return err
	}
	if err := os.Mkdir("/sys/fs/cgroup/"+ownCgroup, 0o755); err != nil {
		return err
	}
	return os.WriteFile("/sys/fs/cgroup/"+ownCgroup+"/cgroup.procs", []byte("0"), 0o644)
}

// reap is process 1: it starts drive and waits for whatever is left to it.
func reap(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := os.StartProcess(self, append([]string{self, "drive"}, args...), &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if pid == p.Pid {
			if status.ExitStatus() != 0 {
				return fmt.Errorf("drive: exit status %d", status.ExitStatus())
			}
			return nil
		}
	}
}
