package hostile

import (
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ways are links that lead to a directory of the host for who takes them by the host's root.
func (v *victim) ways(to string) []string {
	return []string{to, strings.Repeat("../", 24) + strings.TrimPrefix(to, "/")}
}

// linkedTargets has links at the places of mounts.
func linkedTargets(v *victim) {
	for _, way := range v.ways(v.outside) {
		v.newBundle()
		v.link("volume", way)
		v.link("step", "volume")
		v.tmpfs("/volume/sub")
		v.bind(v.bundle, "/volume/made")
		v.bind(v.bundle+"/config.json", "/step/made/file")
		v.tmpfs("/volume/deep/new")
		// What was mounted outside is seen by whoever comes later by the path.
		v.bind(v.outside, "/mnt", "rbind")
		r := v.run("show", "/mnt/file", "/mnt/sub/file")
		if !r.failed() && strings.Count(r.out, `"host"`) != 2 {
			v.breaks("a mount went over a directory of the host: %s", r.out)
		}
	}
}

// coveredProc leads volumes over /proc and into it.
func coveredProc(v *victim) {
	fake := filepath.Join(v.dir, "fake")
	v.must(os.MkdirAll(filepath.Join(fake, "self/attr"), 0o755))
	for _, to := range []string{"/proc", "../../proc", "/proc/self", "/proc/self/attr", "/proc/1/attr"} {
		v.newBundle()
		v.link("volume", to)
		v.bind(fake, "/volume")
		r := v.run("filesystem", "/proc", "/proc/self", "/proc/self/attr")
		if !r.failed() && strings.Count(r.out, "0x9fa0 <nil>") != 3 {
			v.breaks("a volume lies over /proc: %s", r.out)
		}
	}
	// In place of it, beside another.
	v.newBundle()
	v.unmount("/proc")
	v.bind(fake, "/volume")
	v.bind(fake, "/proc")
	r := v.run("filesystem", "/proc")
	if !r.failed() && strings.Count(r.out, "0x9fa0 <nil>") != 1 {
		v.breaks("a volume lies over /proc: %s", r.out)
	}
}

// linkedProc has links in place of /proc and /sys: the masks then lie elsewhere.
func linkedProc(v *victim) {
	for _, name := range []string{"proc", "sys"} {
		for _, to := range []string{"/mnt", "mnt", "/other", "/dev/shm"} {
			v.newBundle()
			v.must(os.MkdirAll(v.root("other"), 0o755))
			v.link(name, to)
			v.run("masks", "/proc", "/mnt", "/other", "/dev/shm")
		}
	}
	// The link leads elsewhere by the time that masks are made.
	v.newBundle()
	v.must(os.MkdirAll(v.root("other"), 0o755))
	v.link("proc", "/mnt")
	v.link("led", "/other")
	v.atOnce("proc", "led")
	v.run("masks", "/mnt")
	// The link is in a volume that another container writes to.
	v.newBundle()
	v.must(os.MkdirAll(filepath.Join(v.dir, "volume"), 0o755))
	v.link("proc", "/volume/proc")
	v.bind(filepath.Join(v.dir, "volume"), "/volume")
	v.spec.Mounts = append(v.spec.Mounts[len(v.spec.Mounts)-1:], v.spec.Mounts[:len(v.spec.Mounts)-1]...)
	v.run("masks", "/proc", "/volume/proc")
}

// linkedDev has a link to the host in place of /dev, where devices and links are made.
func linkedDev(v *victim) {
	for _, way := range v.ways(v.outside) {
		for _, mounted := range []bool{false, true} {
			v.newBundle()
			v.link("dev", way)
			if !mounted {
				v.unmount("/dev")
			}
			v.run("true")
		}
		v.newBundle()
		v.unmount("/dev")
		v.link("dev/pts", way)
		v.link("dev/shm", way+"/sub")
		v.link("dev/mqueue", way)
		v.run("true")
	}
}

// writtenLinks has links wherever a runtime makes files.
func writtenLinks(v *victim) {
	for _, way := range v.ways(v.outside) {
		v.newBundle()
		v.unmount("/dev")
		v.link("link", way)
		v.link("new", way+"/new")
		for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "fd", "stdin", "core", "made"} {
			v.link("dev/"+name, way+"/"+name)
		}
		v.link(".krun_config.json", way+"/krun.json")
		v.spec.Annotations = map[string]string{"run.oci.handler": "krun"}
		v.bind(v.bundle+"/config.json", "/new")
		v.bind(v.bundle+"/config.json", "/link/newer")
		v.spec.Linux.Devices = []specs.LinuxDevice{
			{Path: "/dev/made", Type: "c", Major: 1, Minor: 3}, {Path: "/link/device", Type: "c", Major: 1, Minor: 3},
			{Path: "/new/device", Type: "p"},
		}
		v.spec.Process.Cwd = "/link/cwd"
		r := v.run("true")
		if r.failed() { // once more without what is rightly refused
			v.spec.Annotations, v.spec.Process.Cwd = nil, "/"
			v.spec.Linux.Devices = v.spec.Linux.Devices[:2]
			v.run("true")
		}
	}
}
