package hostile

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// noPivot attacks a root filesystem that was only moved over the host's.
func noPivot(v *victim) {
	// With CAP_SETFCAP root may be mapped into a new user namespace (user_namespaces(7), Linux 5.12).
	caps := []string{"CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SETUID", "CAP_SETGID", "CAP_SETFCAP", "CAP_DAC_OVERRIDE"}
	v.capabilities(caps...)
	try := func(args ...string) {
		v.write(args)
		v.hear(v.call("run", "--no-pivot", "--bundle", v.bundle, v.id))
	}
	try("newproc")
	v.capabilities(caps[1:]...)
	try("climb", v.outside+"/file")
}

// cgroupPaths names cgroups outside the container's.
func cgroupPaths(v *victim) {
	for _, path := range []string{"/../../../" + v.id, "/" + v.id + "/../../../" + v.id, "../../../" + v.id} {
		v.spec.Linux.CgroupsPath = path
		if !v.up("sleep") {
			continue
		}
		for _, line := range v.cgroupsOf(v.pid()) {
			if strings.Contains(line, "..") {
				v.breaks("%s led to %s", path, line)
			}
		}
		v.remove()
	}
	v.spec.Linux.CgroupsPath = "/" + v.id + "/below"
	if !v.up("sleep") {
		return
	}
	// The cgroup above the container's stays, in each hierarchy.
	defer func() {
		v.remove()
		above, err := filepath.Glob("/sys/fs/cgroup/*/" + v.id)
		v.must(err)
		for _, dir := range append(above, "/sys/fs/cgroup/"+v.id) {
			if err := os.Remove(dir); !os.IsNotExist(err) {
				v.must(err)
			}
		}
	}()
	for _, path := range []string{"..", "../..", "/../..", "pids:..", "memory:../..", "x/../../.."} {
		r := v.exec([]string{"--cgroup", path}, "show", "/proc/self/cgroup")
		if !r.failed() && !strings.Contains(r.out, v.id+"/below") {
			v.breaks("exec --cgroup %s: %s", path, r.out)
		}
	}
}

// pid is that of the container's init.
func (v *victim) pid() int {
	r := v.call("state", v.id)
	_, rest, _ := strings.Cut(r.out, `"pid": `)
	n, err := strconv.Atoi(strings.TrimSpace(strings.Split(rest, ",")[0]))
	v.must(err)
	return n
}

func (v *victim) cgroupsOf(pid int) []string {
	return strings.Split(read(filepath.Join("/proc", strconv.Itoa(pid), "cgroup")), "\n")
}
