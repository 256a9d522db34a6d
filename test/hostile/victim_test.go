package hostile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/test/rig"
)

// victim is a runtime with a bundle, and with a directory of the host's that no container may reach.
type victim struct {
	t       *testing.T
	name    string
	dir     string
	outside string
	bundle  string
	id      string
	spec    *specs.Spec
	before  world
	broken  string // how the attack has succeeded
	refused string // why the runtime has made no container
	calls   int
	limit   time.Duration // of one call
}

// world is what must be the same after an attack.
type world struct{ outside, binary, mounts string }

// attack is one attack and the vulnerabilities that it is about.
type attack struct {
	name string
	cves []string
	what string
	race bool
	// pretended: only for a runtime that was built to see on this host what it has not.
	pretended bool
	do        func(*victim)
}

// carryOut attacks the runtime and tells how it went. For mydocker anything but withstanding fails the test.
func (a *attack) carryOut(t *testing.T) string {
	v := newVictim(t)
	defer v.cleanUp()
	if r := v.run("true"); r.failed() {
		return v.verdict("not tried: it does not even run a harmless container: " + r.text())
	}
	v.before = v.look()
	a.do(v)
	v.judge()
	switch {
	case v.broken != "":
		return v.verdict("BROKEN: " + v.broken)
	case v.refused != "":
		return v.verdict("refused: " + v.refused)
	}
	return v.verdict("withstood")
}

func (v *victim) verdict(text string) string {
	text = strings.TrimSpace(text)
	if v.name == "mydocker" && text != "withstood" && !strings.HasPrefix(text, "refused") {
		v.t.Error(text)
	} else {
		v.t.Log(text)
	}
	return text
}

func newVictim(t *testing.T) *victim {
	dir := t.TempDir()
	v := &victim{
		t: t, name: filepath.Base(binaries.Runtime), dir: dir, outside: filepath.Join(dir, "outside"),
		bundle: filepath.Join(dir, "bundle"), id: fmt.Sprintf("h%08x", rand.Uint32()), limit: rig.Scale(40 * time.Second),
	}
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		v.must(os.Chmod(d, 0o755))
	}
	v.makeOutside()
	v.newBundle()
	return v
}

// makeOutside makes what looks like a directory of the host.
func (v *victim) makeOutside() {
	v.must(os.MkdirAll(filepath.Join(v.outside, "sub"), 0o755))
	for _, name := range []string{"file", "sub/file", "null", "ptmx", "console"} {
		v.must(os.WriteFile(filepath.Join(v.outside, name), []byte("host"), 0o644))
	}
}

// newBundle makes the root filesystem and the configuration anew.
func (v *victim) newBundle() {
	v.must(os.RemoveAll(v.bundle))
	for _, d := range []string{"bin", "dev", "etc", "proc", "sys", "tmp", "mnt", "volume"} {
		v.must(os.MkdirAll(v.root(d), 0o755))
	}
	v.install(v.root("bin/attacker"))
	b, err := json.Marshal(rig.DefaultConfig())
	v.must(err)
	v.spec = new(specs.Spec)
	v.must(json.Unmarshal(b, v.spec))
	v.spec.Version = "1.0.2"
	v.spec.Root.Readonly = false
	// Its contents are known, and it is never empty.
	v.spec.Linux.MaskedPaths = append(v.spec.Linux.MaskedPaths, "/proc/version")
}

// install copies the attacker by a process: a descriptor that is open for writing here could be inherited by another.
func (v *victim) install(to string) {
	copyFile(v.t, filepath.Join(binaries.Dir, "attacker"), to)
}

func copyFile(t *testing.T, from, to string) {
	if out, err := exec.Command("install", "-m", "755", from, to).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
}

// root is a path in the root filesystem.
func (v *victim) root(path string) string { return filepath.Join(v.bundle, "rootfs", path) }

// link makes a link in the root filesystem, in place of what is there.
func (v *victim) link(path, to string) {
	v.must(os.RemoveAll(v.root(path)))
	v.must(os.Symlink(to, v.root(path)))
}

// file makes a file in the root filesystem.
func (v *victim) file(path, text string) {
	v.must(os.MkdirAll(filepath.Dir(v.root(path)), 0o755))
	v.must(os.WriteFile(v.root(path), []byte(text), 0o644))
}

// bind and tmpfs add mounts.
func (v *victim) bind(source, dest string, options ...string) {
	v.spec.Mounts = append(v.spec.Mounts, specs.Mount{Destination: dest, Type: "bind", Source: source, Options: append([]string{"bind"}, options...)})
}

func (v *victim) tmpfs(dest string) {
	v.spec.Mounts = append(v.spec.Mounts, specs.Mount{Destination: dest, Type: "tmpfs", Source: "tmpfs"})
}

// unmount removes the mounts at and below a destination from the configuration.
func (v *victim) unmount(dest string) {
	kept := v.spec.Mounts[:0]
	for _, m := range v.spec.Mounts {
		if m.Destination != dest && !strings.HasPrefix(m.Destination, dest+"/") {
			kept = append(kept, m)
		}
	}
	v.spec.Mounts = kept
}

// capabilities gives the program some.
func (v *victim) capabilities(names ...string) {
	v.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
	v.spec.Process.NoNewPrivileges = false
}

// reply is what a call of the runtime has led to.
type reply struct {
	out, err string
	code     error
}

func (r reply) failed() bool { return r.code != nil }
func (r reply) text() string { return strings.TrimSpace(r.err + " " + r.code.Error()) }

// call calls the runtime; containers may keep its standard streams.
func (v *victim) call(args ...string) reply { return v.callWith(nil, args...) }

func (v *victim) callWith(prepare func(*exec.Cmd), args ...string) reply {
	v.calls++
	return v.callTo(v.stream(), prepare, args...)
}

// stream is the name of the files for the standard streams of the last call.
func (v *victim) stream() string { return filepath.Join(v.dir, fmt.Sprintf("stream%d", v.calls)) }

func (v *victim) callTo(name string, prepare func(*exec.Cmd), args ...string) reply {
	out, err := os.Create(name + ".out")
	v.must(err)
	defer out.Close()
	errors, err := os.Create(name + ".err")
	v.must(err)
	defer errors.Close()
	ctx, cancel := context.WithTimeout(context.Background(), v.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, v.binary(), append([]string{"--root", v.state()}, args...)...)
	cmd.Stdout, cmd.Stderr = out, errors
	// One that hangs shows where.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGABRT) }
	cmd.WaitDelay = 5 * time.Second
	if prepare != nil {
		prepare(cmd)
	}
	r := reply{code: cmd.Run()}
	if ctx.Err() != nil {
		r.code = ctx.Err()
	}
	r.out, r.err = read(out.Name()), read(errors.Name())
	return r
}

// ours tells whether it is mydocker, or one without a defence.
func (v *victim) ours() bool { return v.name == "mydocker" || v.name == weakened }

func (v *victim) binary() string { return binaries.Runtime }

func read(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

func (v *victim) state() string { return filepath.Join(v.dir, "state") }

// write writes the configuration with the attacker's verb as the program.
func (v *victim) write(args []string) {
	v.spec.Process.Args = append([]string{"/bin/attacker"}, args...)
	v.writeSpec()
}

func (v *victim) writeSpec() {
	b, err := json.Marshal(v.spec)
	v.must(err)
	v.must(os.WriteFile(filepath.Join(v.bundle, "config.json"), b, 0o644))
}

// run runs a container in the foreground. What the attacker says in it, and a refusal, are taken down.
func (v *victim) run(args ...string) reply {
	v.write(args)
	r := v.call("run", "--bundle", v.bundle, v.id)
	v.hear(r)
	return r
}

// hear takes down what the attacker or the runtime says.
func (v *victim) hear(r reply) {
	for line := range strings.Lines(r.out) {
		if text, ok := strings.CutPrefix(line, "BROKEN: "); ok {
			v.breaks("%s", strings.TrimSpace(text))
		}
	}
	if r.failed() && v.refused == "" {
		v.refused = r.text()
	}
	v.remove()
}

// remove removes the container if it is there.
func (v *victim) remove() { _ = v.call("delete", "--force", v.id) }

// up starts a container in the background, and tells whether it runs.
func (v *victim) up(args ...string) bool {
	v.write(args)
	r := v.call("run", "--detach", "--bundle", v.bundle, v.id)
	if r.failed() {
		v.refused = r.text()
		v.remove()
	}
	return !r.failed()
}

// exec runs the attacker once more in the container.
func (v *victim) exec(flags []string, args ...string) reply {
	return v.call(append(append(append([]string{"exec"}, flags...), v.id, "/bin/attacker"), args...)...)
}

func (v *victim) breaks(format string, args ...any) {
	if v.broken == "" {
		v.broken = fmt.Sprintf(format, args...)
	}
}

func (v *victim) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// look looks at what must stay as it is.
func (v *victim) look() world {
	return world{outside: tree(v.outside), binary: sum(binaries.Runtime), mounts: read("/proc/self/mountinfo")}
}

// tree describes everything below a directory: names, kinds, modes and contents.
func tree(dir string) string {
	var all strings.Builder
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			text = read(path)
		}
		fmt.Fprintf(&all, "%s %s %x\n", strings.TrimPrefix(path, dir), info.Mode(), sha256.Sum256([]byte(text)))
		return nil
	})
	return all.String()
}

func sum(path string) string {
	b, err := os.ReadFile(path)
	return fmt.Sprintf("%x %v", sha256.Sum256(b), err)
}

// judge compares the world with what it was.
func (v *victim) judge() {
	now := v.look()
	if now.outside != v.before.outside {
		v.breaks("a directory of the host was changed: %s", added(v.before.outside, now.outside))
	}
	if now.binary != v.before.binary {
		v.breaks("the runtime's binary was overwritten")
		v.must(os.Remove(binaries.Runtime))
		copyFile(v.t, os.Getenv("HOSTILE_ORIGINAL"), binaries.Runtime)
	}
	if now.mounts != v.before.mounts {
		v.breaks("the host's mounts have changed: %s", added(v.before.mounts, now.mounts))
	}
}

// added gives the first line that is new.
func added(before, now string) string {
	for line := range strings.Lines(now) {
		if !strings.Contains(before, line) {
			return strings.TrimSpace(line)
		}
	}
	return "something is gone"
}

// cleanUp removes the container, and fails if anything is left of mydocker's.
func (v *victim) cleanUp() {
	v.remove()
	left := rig.Leftovers(v.id, v.dir)
	if len(left) > 0 && v.name == "mydocker" {
		v.t.Errorf("left over:\n%s", strings.Join(left, "\n"))
	}
	rig.RemoveLeftovers(v.id, v.dir)
}

// racer is a process that exchanges two names for as long as it runs.
type racer struct {
	v      *victim
	cmd    *exec.Cmd
	stdin  interface{ Close() error }
	stdout bytes.Buffer
}

// race exchanges two names from now on.
func (v *victim) race(a, b string) *racer {
	r := &racer{v: v, cmd: exec.Command(filepath.Join(binaries.Dir, "attacker"), "race", a, b, fmt.Sprint(*seed))}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, os.Stderr
	in, err := r.cmd.StdinPipe()
	v.must(err)
	r.stdin = in
	v.must(r.cmd.Start())
	return r
}

// stop ends it, and gives the number of exchanges.
func (r *racer) stop() int {
	_ = r.stdin.Close()
	if err := r.cmd.Wait(); err != nil && !errors.Is(err, os.ErrClosed) {
		r.v.t.Errorf("racer: %v", err)
	}
	n := 0
	_, _ = fmt.Sscan(r.stdout.String(), &n)
	return n
}
