package seccomp

import (
	"encoding/json"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestRandomProfiles(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 150 {
		b := make([]byte, 120)
		_, _ = random.Read(b)
		compare(t, generate(b), random)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte{1, 1, 1, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("a profile of some length, with several rules and conditions in it, I hope"))
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, generate(b), rand.New(rand.NewSource(2))) })
}

// engines are the profiles of real engines.
func engines(t testing.TB) map[string]*specs.LinuxSeccomp {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no profiles", err)
	}
	all := map[string]*specs.LinuxSeccomp{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var spec specs.Spec
		if err := json.Unmarshal(b, &spec); err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = spec.Linux.Seccomp
	}
	return all
}

// Real profiles mean what they say, and common calls pass through few instructions.
func TestEngines(t *testing.T) {
	for name, p := range engines(t) {
		for seed := range 8 {
			compare(t, p, rand.New(rand.NewSource(int64(seed))))
		}
		f, err := Compile(p, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, nr := range []uint32{unix.SYS_READ, unix.SYS_WRITE, unix.SYS_OPENAT, unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_CLOSE} {
			most = max(most, steps(f, &data{number: nr, arch: unix.AUDIT_ARCH_X86_64}))
		}
		t.Logf("%s: %d instructions, at most %d for common calls", name, f.Len(), most)
		if most > 14 {
			t.Errorf("%s: %d instructions for a common call", name, most)
		}
	}
}

func TestErrors(t *testing.T) {
	one, large := uint(1), uint(65536)
	read := []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow}}
	for want, p := range map[string]*specs.LinuxSeccomp{
		"string SCMP_ACT_FOO is not a valid action for seccomp":   {DefaultAction: "SCMP_ACT_FOO"},
		"string SCMP_ARCH_FOO is not a valid arch for seccomp":    {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_FOO"}},
		"seccomp flag \"FOO\" is not known":                       {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"FOO"}},
		"SCMP_ACT_ALLOW takes no errnoRet":                        {DefaultAction: specs.ActAllow, DefaultErrnoRet: &one},
		"SCMP_ACT_NOTIFY cannot be used for the write syscall":    {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"write"}, Action: specs.ActNotify}}},
		"SCMP_ACT_NOTIFY cannot be used as default action":        {DefaultAction: specs.ActNotify},
		"SCMP_ACT_NOTIFY needs a listenerPath":                    {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActNotify}}},
		"listenerMetadata is set, but listenerPath is not":        {DefaultAction: specs.ActAllow, ListenerMetadata: "x", Syscalls: read},
		"is for profiles with SCMP_ACT_NOTIFY":                    {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}},
		"errnoRet 65536 is more than 65535":                       {DefaultAction: specs.ActErrno, DefaultErrnoRet: &large},
		"string SCMP_CMP_FOO is not a valid operator for seccomp": {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Op: "SCMP_CMP_FOO"}}}}},
		"args[0].index: 6 is not below 6":                         {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}}},
		"syscalls[0]: no name":                                    {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Action: specs.ActErrno}}},
	} {
		_, err := Compile(p, "amd64")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	long := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 4200 {
		long.Syscalls = append(long.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Value: uint64(i), Op: specs.OpEqualTo}},
		})
	}
	if _, err := Compile(long, "amd64"); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want %v", err, ErrTooLong)
	}
}

// The numbers are those that Go itself uses, where it does.
func TestNumbers(t *testing.T) {
	for name, want := range map[string]uint32{"read": unix.SYS_READ, "clone3": unix.SYS_CLONE3, "seccomp": unix.SYS_SECCOMP} {
		if n, ok := number(archX86_64, find(name)); !ok || n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
	for _, c := range []struct {
		arch archID
		name string
		want uint32
	}{
		{archX32, "read", x32Bit}, {archX32, "execve", x32Bit + 520}, {archX86, "socketcall", 102}, {archARM, "set_tls", 0xf0005},
		{archMIPS64N32, "getdents64", 6299}, {archMIPS64N32, "fanotify_init", 6300}, {archMIPS64N32, "sched_setattr", 6313},
		{archMIPS64N32, "futex_time64", 6422}, {archMIPS64N32, "openat2", 6437}, {archMIPS64N32, "rt_sigreturn", 6211},
		{archS390, "chown32", 212}, {archS390, "chown", 182}, {archS390, "getrlimit", 76}, {archS390, "fstatat64", 293}, {archS390X, "newfstatat", 293},
	} {
		if n, ok := number(c.arch, find(c.name)); !ok || n != c.want {
			t.Errorf("%s %s: %d, want %d", archNames[c.arch], c.name, n, c.want)
		}
	}
}

func BenchmarkDocker(b *testing.B) {
	p := docker(b)
	for b.Loop() {
		if _, err := Compile(p, "amd64"); err != nil {
			b.Fatal(err)
		}
	}
}

// docker is Docker's default profile, for a container with its default capabilities.
func docker(t testing.TB) *specs.LinuxSeccomp {
	t.Helper()
	p, err := profiles.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDocker(t *testing.T) {
	f, err := Compile(docker(t), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	vm := machine(t, f)
	if got := execute(t, vm, &data{number: unix.SYS_READ, arch: unix.AUDIT_ARCH_X86_64}); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("read: %#x", got)
	}
	if got := execute(t, vm, &data{number: unix.SYS_MOUNT, arch: unix.AUDIT_ARCH_X86_64}); got != unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM) {
		t.Errorf("mount: %#x", got)
	}
	if got := execute(t, vm, &data{number: 9999, arch: unix.AUDIT_ARCH_X86_64}); got != unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS) {
		t.Errorf("a call to come: %#x", got)
	}
}
