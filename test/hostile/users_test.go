package hostile

import (
	"os/exec"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// numericNames has users in /etc/passwd whose names are numbers or junk, and who are root.
func numericNames(v *victim) {
	v.file("etc/passwd", "1000:x:0:0::/:/bin/sh\njunk:x:0:0::/:/bin/sh\n1000x:x:0:0::/:/bin/sh\n")
	v.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	if r := v.run("id"); !r.failed() && !strings.Contains(r.out, "uid=1000 gid=1000") {
		v.breaks("the configuration's user 1000 is %s", r.out)
	}
	if !v.up("sleep") {
		return
	}
	defer v.remove()
	for _, user := range []string{"1000", "junk", "1000x", "4294967296", "99999999999999999999", "junk:junk", ":"} {
		r := v.exec([]string{"--user", user}, "id")
		if strings.Contains(r.out, "uid=0 ") {
			v.breaks("exec --user %s is root", user)
		}
		if user == "1000" && r.failed() {
			v.t.Errorf("exec --user 1000: %s", r.text())
		}
	}
}

// inheritable looks for inheritable capabilities, which a program with file capabilities would take.
func inheritable(v *victim) {
	v.capabilities("CAP_CHOWN", "CAP_NET_BIND_SERVICE")
	check := func(where string, r reply) {
		if !r.failed() && !strings.Contains(r.out, "CapInh:\t0000000000000000") {
			v.breaks("%s: %s", where, r.out)
		}
	}
	check("run", v.run("field", "CapInh"))
	if !v.up("sleep") {
		return
	}
	defer v.remove()
	check("exec", v.exec(nil, "field", "CapInh"))
	check("exec --cap", v.exec([]string{"--cap", "CAP_KILL"}, "field", "CapInh"))
	check("exec --user", v.exec([]string{"--user", "1000"}, "field", "CapInh"))
}

// sessionKeyring compares the keyring of the container with that of the caller.
func sessionKeyring(v *victim) {
	r := v.run("keyring")
	mine, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err == nil && !r.failed() && strings.Contains(r.out, "keyring "+strconv.Itoa(mine)+" ") {
		v.breaks("the container has the keyring of the caller")
	}
}

// unlistedDevices lets root with CAP_MKNOD open devices. Nothing is configured of devices: the default has to be to deny.
func unlistedDevices(v *victim) {
	v.capabilities("CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_SYSLOG", "CAP_DAC_OVERRIDE")
	v.spec.Linux.Resources = nil
	v.run("devices")
	v.spec.Linux.Resources = &specs.LinuxResources{}
	v.run("devices")
}

// oversizedFields carries fields that overflow a length, or end early, where a runtime passes them on.
func oversizedFields(v *victim) {
	whole := *v.spec
	accept := func(what string, change func(s *specs.Spec)) {
		linux, process := *whole.Linux, *whole.Process
		v.spec = &whole
		spec := whole
		spec.Linux, spec.Process = &linux, &process
		change(&spec)
		v.spec = &spec
		v.writeSpec()
		r := v.call("run", "--bundle", v.bundle, v.id)
		v.remove()
		switch {
		case !r.failed():
			v.breaks("accepted: %s", what)
		case strings.Contains(r.err, "panic") || strings.Contains(r.code.Error(), "signal"):
			v.breaks("crashed: %s: %s", what, r.text())
		}
	}
	v.spec.Process.Args = []string{"/bin/attacker", "true"}
	v.spec.Process.Env = []string{"PATH=/bin"}
	long := "/proc/self/ns/net/" + strings.Repeat("x", 1<<16) + "\x0c\x00\x85\x69"
	accept("a namespace's path of 64 KiB", func(s *specs.Spec) {
		s.Linux.Namespaces = append([]specs.LinuxNamespace{{Type: specs.CgroupNamespace, Path: long}}, s.Linux.Namespaces...)
	})
	accept("NUL in an argument", func(s *specs.Spec) { s.Process.Args = []string{"/bin/attacker", "true\x00junk"} })
	accept("NUL in the environment", func(s *specs.Spec) { s.Process.Env = []string{"PATH=/bin", "A=b\x00C=d"} })
	accept("NUL in cwd", func(s *specs.Spec) { s.Process.Cwd = "/\x00junk" })
	accept("NUL in the source of a mount", func(s *specs.Spec) {
		s.Mounts = append(append([]specs.Mount{}, s.Mounts...), specs.Mount{Destination: "/mnt", Type: "bind", Source: v.outside + "\x00junk", Options: []string{"bind"}})
	})
	accept("NUL in the target of a mount", func(s *specs.Spec) {
		s.Mounts = append(append([]specs.Mount{}, s.Mounts...), specs.Mount{Destination: "/mnt\x00junk", Type: "tmpfs", Source: "tmpfs"})
	})
	accept("NUL in a masked path", func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/version\x00junk"} })
	accept("NUL in a cgroup's path", func(s *specs.Spec) { s.Linux.CgroupsPath = "/" + v.id + "\x00junk" })
	v.spec = &whole
}

// oddIDs makes containers whose ids are no names.
func oddIDs(v *victim) {
	v.write([]string{"true"})
	before := treeNames(v.dir)
	for _, id := range []string{"../outside/x", "a/b", "/", ".", "..", "", "a\nb", "a b", "-x", "--", strings.Repeat("x", 5000), "ä", "a\\b", "a;b", "x/../../outside/y", "%n"} {
		command := "run"
		if v.ours() { // whose run takes a word with a slash for a program
			command = "create"
		}
		r := v.call(command, "--bundle", v.bundle, "--", id)
		if !r.failed() && strings.ContainsAny(id, "/\n ") {
			v.breaks("accepted the id %q", id)
		}
		if r.code != nil && strings.Contains(r.code.Error(), "signal") {
			v.breaks("crashed by the id %q", id)
		}
		for _, command := range []string{"state", "kill", "delete"} {
			if command == "delete" && id == "/" && v.name != "mydocker" {
				continue // crun 1.8 deletes the host's files, all that it can
			}
			if r := v.call(command, id); !r.failed() && command == "state" {
				v.breaks("%s of %q", command, id)
			}
		}
		if !r.failed() && v.ours() {
			_ = v.call("delete", "--force", "--", id)
		}
	}
	if now := treeNames(v.dir); now != before {
		v.breaks("something was made: %s", added(before, now))
	}
}

// treeNames lists what is in a directory, but for the streams of calls and the state root.
func treeNames(dir string) string {
	out, _ := exec.Command("find", dir, "-mindepth", "1", "-not", "-name", "stream*", "-not", "-path", dir+"/state").Output()
	return string(out)
}
