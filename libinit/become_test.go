package libinit

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// capSets prints the five sets of the shell itself: a child of it would be executed once more. The redirection is its
// own, too, and so is /proc/self.
const capSets = `while read -r name value; do case $name in Cap*) echo "$name$value";; esac; done </proc/self/status`

func hex(n int) string {
	const digits = "0123456789abcdef"
	b := []byte("0000000000000000")
	for i := len(b) - 1; n > 0; i, n = i-1, n>>4 {
		b[i] = digits[n&15]
	}
	return string(b)
}

func TestCapabilities(t *testing.T) {
	const chown, kill, bind = 1 << unix.CAP_CHOWN, 1 << unix.CAP_KILL, 1 << unix.CAP_NET_BIND_SERVICE
	both := []string{"CAP_CHOWN", "CAP_KILL"}
	for name, c := range map[string]struct {
		caps                   *specs.LinuxCapabilities
		uid                    uint32
		inh, prm, eff, bnd, am int
		warnings               []string
	}{
		"none":          {},
		"root":          {caps: &specs.LinuxCapabilities{Bounding: both, Effective: both, Permitted: both}, prm: chown | kill, eff: chown | kill, bnd: chown | kill},
		"user":          {caps: &specs.LinuxCapabilities{Bounding: both, Effective: both, Permitted: both}, uid: 1000, bnd: chown | kill},
		"inheritable":   {caps: &specs.LinuxCapabilities{Bounding: both, Permitted: both, Inheritable: both[:1]}, uid: 1000, inh: chown, bnd: chown | kill},
		"ambient":       {caps: &specs.LinuxCapabilities{Bounding: both, Permitted: both, Inheritable: both, Ambient: both[1:]}, uid: 1000, inh: chown | kill, prm: kill, eff: kill, bnd: chown | kill, am: kill},
		"not permitted": {caps: &specs.LinuxCapabilities{Bounding: both, Permitted: both[:1], Effective: both}, uid: 1000, bnd: chown | kill, warnings: []string{"capabilities cannot be effective, as they are not permitted: CAP_KILL"}},
		"outside of the bounding set": {
			caps: &specs.LinuxCapabilities{Bounding: both, Permitted: both, Inheritable: append([]string{"CAP_NET_BIND_SERVICE"}, both...)}, uid: 1000, inh: chown | kill, bnd: chown | kill,
			warnings: []string{"capabilities cannot be inheritable, as they are not in the bounding set: CAP_NET_BIND_SERVICE"},
		},
		"ambient alone": {
			caps: &specs.LinuxCapabilities{Bounding: both, Permitted: both, Ambient: both[:1]}, uid: 1000, bnd: chown | kill,
			warnings: []string{"can't raise ambient capability CAP_CHOWN: operation not permitted"},
		},
		"unknown": {
			caps: &specs.LinuxCapabilities{Bounding: []string{"CAP_NET_BIND_SERVICE", "CAP_NOPE"}, Effective: []string{"CAP_NOPE", "cap_kill"}}, bnd: bind, prm: bind, eff: bind,
			warnings: []string{"ignoring unknown or unavailable capabilities: [CAP_NOPE cap_kill]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := execSpec(capSets)
			s.Process.Capabilities, s.Process.User.UID = c.caps, c.uid
			r := run(t, s)
			want := "CapInh:" + hex(c.inh) + "\nCapPrm:" + hex(c.prm) + "\nCapEff:" + hex(c.eff) + "\nCapBnd:" + hex(c.bnd) + "\nCapAmb:" + hex(c.am) + "\n"
			if d := cmp.Diff(want, r.output); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(c.warnings, r.warnings); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestFilterPrivilege has a filter to be loaded without no_new_privs: what that takes must not outlive execve.
func TestFilterPrivilege(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		s := execSpec(capSets)
		s.Process.User.UID = uid
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"vhangup"}, Action: specs.ActErrno}}}
		r := run(t, s)
		for line := range strings.Lines(r.output) {
			if !strings.HasSuffix(line, ":"+hex(0)+"\n") {
				t.Errorf("user %d: %s", uid, line)
			}
		}
	}
}

// TestSecurebits has a caller under whose securebits root would get no capabilities at execve.
func TestSecurebits(t *testing.T) {
	s := execSpec(capSets)
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}}
	r := &initRun{plan: insidePlan(t, s, &Options{NoNewKeyring: true}), env: []string{securebitsEnv + "=1"}}
	if err := r.start(t); err != nil {
		t.Fatal(err)
	}
	if want := "CapEff:" + hex(1<<unix.CAP_KILL); !strings.Contains(r.output, want) {
		t.Errorf("got %s, want %s", r.output, want)
	}
}

func TestUser(t *testing.T) {
	s := execSpec("id -u; id -g; id -G; umask; grep NoNewPrivs /proc/self/status")
	umask := uint32(0o027)
	s.Process.User = specs.User{UID: 1234, GID: 1235, AdditionalGids: []uint32{7, 8}, Umask: &umask}
	s.Process.NoNewPrivileges = true
	r := run(t, s)
	if want := "1234\n1235\n1235 7 8\n0027\nNoNewPrivs:\t1\n"; r.output != want {
		t.Errorf("got %q, want %q", r.output, want)
	}
	if r.uid != 1234 {
		t.Errorf("stdout belongs to %d", r.uid)
	}
	if !slices.Equal(r.asked, []byte{MsgReady}) {
		t.Errorf("init has asked for %v", r.asked)
	}
}

func TestNames(t *testing.T) {
	s := execSpec("cd /proc/sys/kernel; cat hostname domainname msgmax; cat ../net/ipv4/ip_forward ../net/ipv4/conf/lo/forwarding")
	s.Hostname, s.Domainname = "box", "example.org"
	s.Linux.Sysctl = map[string]string{"kernel.msgmax": "4097", "net.ipv4.ip_forward": "1", "net/ipv4/conf/lo/forwarding": "0"}
	if got, want := run(t, s).output, "box\nexample.org\n4097\n1\n0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.Linux.Sysctl = map[string]string{"net.nope": "1"}
	r := &initRun{plan: insidePlan(t, s, &Options{NoNewKeyring: true})}
	if err := r.start(t); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), `set sysctl net.nope to "1"`) {
		t.Errorf("got %v", err)
	}
}

func TestExecAffinity(t *testing.T) {
	s := execSpec("grep Cpus_allowed_list /proc/self/status")
	s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-1", Final: "0"}
	if got, want := run(t, s).output, "Cpus_allowed_list:\t0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for field, a := range map[string]specs.CPUAffinity{"initial": {Initial: "x"}, "final": {Final: "3-1"}} {
		s.Process.ExecCPUAffinity = &a
		_, err := NewExecPlan(s, s.Process, &Options{})
		if got, want := fault.Of(err).Field, "process.execCPUAffinity."+field; got != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}

// TestFailures has processes that cannot be started, with the texts that others match.
func TestFailures(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "x", 0o644)
	script := write("script", "#!/nope/sh\n", 0o755)
	second := write("second", "#!"+script+"\n", 0o755)
	dos := write("dos", "#!/bin/sh\r\n", 0o755)
	text := write("text", "echo\n", 0o755)
	empty := write("empty", "", 0o755)
	for name, c := range map[string]struct {
		change func(*specs.Process)
		text   string
		code   fault.Code
		field  string
		hint   string
	}{
		"in PATH": {
			func(p *specs.Process) { p.Args = []string{"nope"} },
			`exec: "nope": executable file not found in $PATH`, fault.ExecNotFound, "process.args[0]", "the PATH of process.env",
		},
		"no PATH": {
			func(p *specs.Process) { p.Args, p.Env, p.Cwd = []string{"sh"}, nil, "/bin" },
			`exec: "sh": executable file not found in $PATH`, fault.ExecNotFound, "process.args[0]", "",
		},
		"absolute": {
			func(p *specs.Process) { p.Args = []string{"/nope"} },
			`exec: "/nope": stat /nope: no such file or directory`, fault.ExecNotFound, "process.args[0]", "",
		},
		"below a file": {
			func(p *specs.Process) { p.Args = []string{plain + "/x"} },
			`exec: "` + plain + `/x": stat ` + plain + `/x: not a directory`, fault.ExecNotFound, "process.args[0]", "",
		},
		"a directory": {
			func(p *specs.Process) { p.Args = []string{"/etc"} },
			`exec: "/etc": is a directory`, fault.ExecDenied, "process.args[0]", "",
		},
		"not executable": {
			func(p *specs.Process) { p.Args = []string{plain} },
			`exec: "` + plain + `": permission denied`, fault.ExecDenied, "process.args[0]", "mode",
		},
		"no interpreter": {
			func(p *specs.Process) { p.Args = []string{script} },
			"exec " + script + ": no such file or directory", fault.ExecInterp, "process.args[0]", "/nope/sh",
		},
		"no interpreter of the interpreter": {
			func(p *specs.Process) { p.Args = []string{second} },
			"exec " + second + ": no such file or directory", fault.ExecInterp, "process.args[0]", "/nope/sh of " + script,
		},
		"carriage return": {
			func(p *specs.Process) { p.Args = []string{dos} },
			"exec " + dos + ": no such file or directory", fault.ExecInterp, "process.args[0]", "carriage return",
		},
		"no #!": {
			func(p *specs.Process) { p.Args = []string{text} },
			"exec " + text + ": exec format error", fault.ExecFormat, "process.args[0]", "#!",
		},
		"empty": {
			func(p *specs.Process) { p.Args = []string{empty} },
			"exec " + empty + ": exec format error", fault.ExecFormat, "process.args[0]", "empty",
		},
		"no directory": {
			func(p *specs.Process) { p.Cwd = dir + "/nope" },
			`chdir to cwd ("` + dir + `/nope") set in config.json failed: no such file or directory`, fault.Process, "process.cwd", "",
		},
		"a magic link": {
			func(p *specs.Process) { p.Cwd = "/proc/self/fd/3/.." },
			`chdir to cwd ("/proc/self/fd/3/..") set in config.json failed: too many levels of symbolic links`, fault.Process, "process.cwd", "",
		},
		"memory policy": {
			func(*specs.Process) {},
			"set memory policy MPOL_BIND: invalid argument", fault.Process, "linux.memoryPolicy", "node",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := execSpec("echo runs")
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_DAC_OVERRIDE"}, Effective: []string{"CAP_DAC_OVERRIDE"}, Permitted: []string{"CAP_DAC_OVERRIDE"}}
			c.change(s.Process)
			if c.field == "linux.memoryPolicy" {
				s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1000"}
			}
			r := &initRun{plan: insidePlan(t, s, &Options{NoNewKeyring: true})}
			err := r.start(t)
			if err == nil || err.Error() != c.text {
				t.Fatalf("got  %v\nwant %s\n%s", err, c.text, r.output)
			}
			got := fault.Of(err)
			if got.Code != c.code || got.Field != c.field || !strings.Contains(got.Hint, c.hint) {
				t.Errorf("got %s, %s, %q", got.Code, got.Field, got.Hint)
			}
		})
	}
	if _, err := os.Lstat(dir + "/nope"); err == nil {
		t.Error("exec has made the working directory")
	}
}

func TestConsole(t *testing.T) {
	var st unix.Stat_t
	if unix.Stat("/dev/pts/ptmx", &st) != nil {
		t.Skip("needs a devpts at /dev/pts")
	}
	s := execSpec("stty size; echo tty >/dev/tty")
	s.Process.Terminal = true
	s.Process.ConsoleSize = &specs.Box{Height: 33, Width: 44}
	r := run(t, s)
	if want := "33 44\r\ntty\r\n"; r.output != want {
		t.Errorf("got %q, want %q", r.output, want)
	}
	if !slices.Equal(r.asked, []byte{MsgConsole, MsgReady}) {
		t.Errorf("init has asked for %v", r.asked)
	}
}

// TestDescriptors has init with descriptors of its own and one that is the program's.
func TestDescriptors(t *testing.T) {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s := execSpec(`for f in /proc/self/fd/*; do case ${f##*/} in [012]|10|255) ;; *) readlink $f; esac; done; echo $LISTEN_FDS $((LISTEN_PID - $$))`)
	s.Process.Env = append(s.Process.Env, "LISTEN_PID=77", "LISTEN_FDS=9")
	r := &initRun{plan: insidePlan(t, s, &Options{PreserveFDs: 1, ListenFDs: 1, NoNewKeyring: true}), preserved: []*os.File{f}}
	if err := r.start(t); err != nil {
		t.Fatal(err)
	}
	if want := "/etc/passwd\n1 0\n"; r.output != want {
		t.Errorf("got %q, want %q", r.output, want)
	}
}

func TestKeyring(t *testing.T) {
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true); errors.Is(err, unix.ENOSYS) {
		t.Skip("this kernel has no keyrings")
	}
	for _, c := range []struct {
		none bool
		want string
	}{
		// Possessor: all; user: view, read, search; as the kernel makes it, with search added.
		{false, "3f0b0000\n"}, {true, ""},
	} {
		s := execSpec("while read -r id flags usage timeout perm rest; do case $rest in *' _ses: empty') echo $perm; esac; done </proc/keys")
		s.Process.User.UID = 4321
		r := &initRun{plan: insidePlan(t, s, &Options{NoNewKeyring: c.none})}
		if err := r.start(t); err != nil {
			t.Fatal(err)
		}
		if r.output != c.want {
			t.Errorf("without a new one %v: got %q, want %q", c.none, r.output, c.want)
		}
	}
}
