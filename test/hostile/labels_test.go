package hostile

import (
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// redirectedLabel leads an AppArmor label elsewhere. The host looks as if it had AppArmor, whether it has or not: what
// counts is where the runtime writes. Where the kernel has none it refuses the label, if it is the kernel that the
// runtime has written to.
func redirectedLabel(v *victim) {
	defer v.pretendAppArmor()()
	v.ledAway(func(p *specs.Process) { p.ApparmorProfile = "mine" })
}

// redirectedSELinux is the same for SELinux. Without it in the kernel there is no selinuxfs that could be shown to a
// runtime: on such a host it is for a mydocker that was built to believe in one.
func redirectedSELinux(v *victim) {
	v.ledAway(func(p *specs.Process) { p.SelinuxLabel = "mine" })
}

// ledAway has the procfs exchanged for a directory of the attacker's before a label is written to it.
func (v *victim) ledAway(label func(*specs.Process)) {
	attributes := []string{"attr/exec", "attr/apparmor/exec", "attr/keycreate"}
	each := func(do func(path string)) {
		for _, self := range []string{"self", "thread-self", "1", "1/task/1", "self/task/1"} {
			for _, name := range attributes {
				do("fake/" + self + "/" + name)
			}
		}
	}
	begin := func() {
		v.newBundle()
		label(v.spec.Process)
		v.atOnce("proc", "fake")
	}
	begin()
	each(func(path string) { v.file(path, "decoy") })
	v.run("true")
	for _, dir := range []string{"fake", "proc"} {
		v.must(filepath.WalkDir(v.root(dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && read(path) != "decoy" {
				v.breaks("the label was written to the attacker's file")
			}
			return err
		}))
	}
	// A file of another procfs passes for one where only the type of the filesystem is looked at. This one takes any
	// text, and belongs to the container.
	begin()
	v.spec.Mounts = append(v.spec.Mounts, specs.Mount{Destination: "/mnt", Type: "proc", Source: "proc"})
	each(func(path string) {
		v.must(os.MkdirAll(filepath.Dir(v.root(path)), 0o755))
		v.link(path, "/mnt/sys/kernel/domainname")
	})
	// What runtimes need of it beside.
	for _, name := range []string{"fd", "status", "exe", "mountinfo", "cgroup", "loginuid", "ns"} {
		v.link("fake/self/"+name, "/mnt/self/"+name)
		v.link("fake/thread-self/"+name, "/mnt/thread-self/"+name)
	}
	v.link("fake/sys", "/mnt/sys")
	r := v.run("show", "/mnt/sys/kernel/domainname")
	if strings.Contains(r.out, "mine") {
		v.breaks("the label was written to a parameter of the kernel: %s", r.out)
	}
}

// pretendAppArmor lets runtimes find AppArmor in /sys, in this mount namespace. undo takes that back.
func (v *victim) pretendAppArmor() (undo func()) {
	var covered []string
	cover := func(dir, file, text string) {
		if _, err := os.Stat(dir); err != nil {
			return
		}
		v.must(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"))
		covered = append(covered, dir)
		v.must(os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
		v.must(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	cover("/sys/module", "apparmor/parameters/enabled", "Y\n")
	cover("/sys/kernel/security", "apparmor/profiles", "mine (enforce)\n")
	return func() {
		for _, dir := range covered {
			v.must(unix.Unmount(dir, unix.MNT_DETACH))
		}
	}
}
