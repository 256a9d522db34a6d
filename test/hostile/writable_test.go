package hostile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// caller is a user without rights.
const caller = 1000

// writableCgroup runs a container as a user to whom a cgroup is delegated, without a cgroup namespace. /sys is that of
// the host, read-only: the cgroups below it are mounts of their own.
func writableCgroup(v *victim) {
	top := "/sys/fs/cgroup"
	if _, err := os.Stat(top + "/unified/cgroup.procs"); err == nil {
		top += "/unified"
	}
	var st unix.Statfs_t
	v.must(unix.Statfs(top, &st))
	if st.Type != unix.CGROUP2_SUPER_MAGIC {
		v.refused = "there is no cgroup v2 here"
		return
	}
	delegated := filepath.Join(top, v.id+"-user")
	v.must(os.MkdirAll(delegated, 0o755))
	defer os.Remove(delegated)
	v.chown(delegated)
	v.newBundle()
	s := v.spec
	s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UserNamespace}, {Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}}
	s.Hostname = ""
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: caller, Size: 1}}
	s.Linux.GIDMappings = s.Linux.UIDMappings
	s.Linux.Resources = nil
	v.unmount("/sys")
	v.unmount("/dev")
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}})
	base := s.Mounts
	s.Mounts = append(slices.Clip(base), specs.Mount{Destination: "/sys", Type: "none", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}})
	v.asCaller(delegated)
	if v.broken != "" {
		v.broken = "below a bind of /sys: " + v.broken
	}
	// The mount of a cgroup, which without a namespace cannot be a new one.
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}})
	v.asCaller(delegated)
}

func (v *victim) chown(path string) {
	out, err := exec.Command("chown", "-R", fmt.Sprintf("%d:%d", caller, caller), path).CombinedOutput()
	if err != nil {
		v.t.Fatal(string(out))
	}
}

// asCaller runs the container as the user, from within the cgroup.
func (v *victim) asCaller(cgroup string) {
	v.write([]string{"cgroups"})
	v.chown(v.bundle)
	state := filepath.Join(v.dir, "user")
	v.must(os.MkdirAll(state, 0o700))
	v.chown(state)
	const script = `echo $$ >"$1/cgroup.procs" && shift && exec setpriv --reuid 1000 --regid 1000 --clear-groups "$@"`
	v.hear(v.callWith(func(cmd *exec.Cmd) {
		cmd.Path = "/bin/sh"
		cmd.Args = []string{"sh", "-c", script, "sh", cgroup, binaries.Runtime, "--root", state, "run", "--bundle", v.bundle, v.id}
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+state)
	}))
}
