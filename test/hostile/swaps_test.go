package hostile

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// atOnce exchanges two names of the root filesystem in a hook: after the mounts, before what is done in them. It is
// what a racer does that has the best of luck.
func (v *victim) atOnce(a, b string) {
	attacker := filepath.Join(binaries.Dir, "attacker")
	hook := specs.Hook{Path: attacker, Args: []string{attacker, "exchange", v.root(a), v.root(b)}}
	v.spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}}
}

// decoys makes a root filesystem whose /dev is the image's own, with links to a file in it.
func (v *victim) decoys() {
	v.newBundle()
	v.unmount("/dev")
	v.file("decoy", "decoy")
}

// maskShows tells whether the masked file shows what the attacker wants, and whether the attacker's file has become
// the container's standard output.
func (v *victim) maskShows(r reply) {
	if text := read(v.root("decoy")); text != "decoy" {
		v.breaks("what takes the place of /dev/null was written to: %s", text)
	}
	if !r.failed() && (strings.Contains(r.out, "decoy") || strings.Contains(r.out, "Linux version")) {
		v.breaks("a masked path shows %s", r.out)
	}
}

func swappedNull(v *victim) {
	v.decoys()
	v.link("dev/null", "/decoy")
	v.maskShows(v.run("show", "/proc/version"))
	v.decoys()
	v.link("dev/null", "/proc/self/comm")
	if r := v.run("show", "/proc/version"); !r.failed() && strings.Contains(r.out, "attacker") {
		v.breaks("a mask is a file of /proc: %s", r.out)
	}
	// A device of another kind, and a file.
	v.decoys()
	v.file("dev/null", "decoy")
	v.maskShows(v.run("show", "/proc/version"))
}

func swappedNullAtOnce(v *victim) {
	v.decoys()
	v.link("dev/wrong", "/decoy")
	v.must(unix.Mknod(v.root("dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	v.atOnce("dev/null", "dev/wrong")
	v.maskShows(v.run("show", "/proc/version"))
}

// redirectedSysctl has the procfs exchanged for a directory of the attacker's before parameters are written.
func redirectedSysctl(v *victim) {
	v.fakeProc()
	v.atOnce("proc", "fake")
	v.run("true")
	v.judgeFake()
	// The link of the file leads elsewhere in the container.
	v.fakeProc()
	v.file("decoy", "1")
	v.link("fake/sys/net/ipv4/ip_forward", "/decoy")
	v.atOnce("proc", "fake")
	v.run("true")
	if text := read(v.root("decoy")); text != "1" {
		v.breaks("a parameter was written to a file of the attacker's choice")
	}
}

func (v *victim) fakeProc() {
	v.newBundle()
	v.file("fake/sys/net/ipv4/ip_forward", "1")
	v.spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "0"}
}

// judgeFake looks at the fake, which is at either name.
func (v *victim) judgeFake() {
	for _, name := range []string{"proc", "fake"} {
		if text := read(v.root(name + "/sys/net/ipv4/ip_forward")); text != "" && text != "1" {
			v.breaks("a parameter was written to the attacker's file")
		}
	}
}

// swappedConsole has links at the names of terminals: to a file, and to a device on which a session can begin, so that
// nothing fails later.
func swappedConsole(v *victim) {
	for _, way := range []struct {
		to     string
		atOnce bool
	}{{"/decoy", false}, {"/decoy", true}, {"/dev/fake/ptmx", true}} {
		v.decoys()
		v.file("console", "")
		dir := "dev/pts"
		if way.atOnce {
			v.spec.Mounts = append(v.spec.Mounts, specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620"}})
			dir = "dev/fake"
			v.atOnce("dev/pts", "dev/fake")
		}
		v.must(os.MkdirAll(v.root("dev/pts"), 0o755))
		v.must(os.MkdirAll(v.root(dir), 0o755))
		for n := range 20 {
			v.link(fmt.Sprintf("%s/%d", dir, n), way.to)
		}
		if way.atOnce {
			v.link("dev/fake/ptmx", "../fake/ptmx")
		}
		v.console()
	}
}

// console runs a container with a terminal, which nobody reads but we.
func (v *victim) console() {
	path := filepath.Join(v.dir, "console.sock")
	_ = os.Remove(path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	v.must(err)
	var got []int
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		got = receive(c)
	})
	v.spec.Process.Terminal = true
	v.write([]string{"sleep"})
	r := v.call("run", "--detach", "--console-socket", path, "--bundle", v.bundle, v.id)
	_ = l.Close()
	wg.Wait()
	if r.failed() {
		v.refused = r.text()
	} else {
		// By another process: the console itself may be what was swapped.
		if kind := v.exec(nil, "terminal", "/dev/console"); !strings.Contains(kind.out, "true") {
			v.breaks("the console is not a terminal: %s", kind.out)
		}
	}
	for _, fd := range got {
		_ = unix.Close(fd)
	}
	v.remove()
	v.spec.Process.Terminal = false
}

func receive(c *net.UnixConn) []int {
	body, oob := make([]byte, 1<<12), make([]byte, 128)
	_, n, _, _, err := c.ReadMsgUnix(body, oob)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return nil
	}
	return fds
}
