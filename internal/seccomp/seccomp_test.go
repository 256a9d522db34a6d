package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	profiles "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// data is struct seccomp_data.
type data struct {
	number, arch uint32
	args         [6]uint64
}

// machine runs a filter in the BPF machine of x/net, which loads words as big-endian.
func machine(t testing.TB, f *Filter) *bpf.VM {
	t.Helper()
	var code []bpf.Instruction
	for i := 0; i < len(f.Program); i += 8 {
		raw := bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(f.Program[i:]), Jt: f.Program[i+2], Jf: f.Program[i+3],
			K: binary.NativeEndian.Uint32(f.Program[i+4:]),
		}
		code = append(code, raw.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func packet(d *data) []byte {
	b := make([]byte, 64)
	binary.BigEndian.PutUint32(b[offNumber:], d.number)
	binary.BigEndian.PutUint32(b[offArch:], d.arch)
	for i, a := range d.args {
		binary.BigEndian.PutUint32(b[half(uint(i), true):], uint32(a>>32))
		binary.BigEndian.PutUint32(b[half(uint(i), false):], uint32(a))
	}
	return b
}

func execute(t testing.TB, vm *bpf.VM, d *data) uint32 {
	t.Helper()
	n, err := vm.Run(packet(d))
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// evaluate is the meaning of a profile, without any cleverness.
func evaluate(p *specs.LinuxSeccomp, d *data) uint32 {
	value := func(action specs.LinuxSeccompAction, errno *uint) uint32 {
		r := actions()[action]
		if r == unix.SECCOMP_RET_ERRNO || r == unix.SECCOMP_RET_TRACE {
			if errno == nil {
				return r | uint32(unix.EPERM)
			}
			return r | uint32(*errno)
		}
		return r
	}
	listed := []archID{archX86_64}
	for _, a := range p.Architectures {
		id, _ := findArch(a)
		listed = append(listed, id)
	}
	arch := archID(-1)
	for _, a := range listed {
		if auditArch[a] == d.arch && (a == archX32) == (d.arch == unix.AUDIT_ARCH_X86_64 && d.number >= x32Bit) {
			arch = a
		}
	}
	if arch < 0 {
		return unix.SECCOMP_RET_KILL_PROCESS
	}
	fallback := value(p.DefaultAction, p.DefaultErrnoRet)
	largest, conditional, plain := int64(-1), int64(-1), int64(-1)
	for _, s := range p.Syscalls {
		r := value(s.Action, s.ErrnoRet)
		for _, name := range s.Names {
			at := find(name)
			if at < 0 {
				continue
			}
			if n, ok := number(arch, at); ok {
				largest = max(largest, int64(n))
				if n == d.number {
					switch {
					case len(s.Args) == 0 && r != fallback && plain < 0:
						plain = int64(r)
					case len(s.Args) > 0 && conditional < 0 && holds(s.Args, d):
						conditional = int64(r)
					}
				}
			}
			through, value := multiplexer(name)
			if through == "" || !multiplexed(arch) || len(s.Args) > 0 {
				continue
			}
			if n, ok := number(arch, find(through)); ok {
				largest = max(largest, int64(n))
				if n == d.number && d.args[0] == value && conditional < 0 {
					conditional = int64(r)
				}
			}
		}
	}
	switch {
	case plain >= 0:
		return uint32(plain)
	case conditional >= 0:
		return uint32(conditional)
	case int64(d.number) > largest && !slices.Contains([]specs.LinuxSeccompAction{specs.ActAllow, specs.ActLog, specs.ActTrace}, p.DefaultAction):
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	return fallback
}

func holds(args []specs.LinuxSeccompArg, d *data) bool {
	var count [6]int
	for _, a := range args {
		count[a.Index]++
	}
	one := func(a specs.LinuxSeccompArg) bool {
		v := d.args[a.Index]
		switch a.Op {
		case specs.OpEqualTo:
			return v == a.Value
		case specs.OpNotEqual:
			return v != a.Value
		case specs.OpGreaterThan:
			return v > a.Value
		case specs.OpGreaterEqual:
			return v >= a.Value
		case specs.OpLessThan:
			return v < a.Value
		case specs.OpLessEqual:
			return v <= a.Value
		}
		return v&a.Value == a.ValueTwo
	}
	if slices.Max(count[:]) > 1 {
		return slices.ContainsFunc(args, one)
	}
	return !slices.ContainsFunc(args, func(a specs.LinuxSeccompArg) bool { return !one(a) })
}

var audits = []uint32{
	unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_MIPSEL, 0,
}

// compare runs calls that are near to what the profile says.
func compare(t *testing.T, p *specs.LinuxSeccomp, random *rand.Rand) {
	t.Helper()
	f, err := Compile(p, "amd64")
	if err != nil {
		if errors.Is(err, ErrTooLong) {
			return
		}
		t.Fatal(err)
	}
	vm := machine(t, f)
	values := []uint64{0, 1, 1 << 32, 1<<64 - 1}
	for _, s := range p.Syscalls {
		for _, a := range s.Args {
			values = append(values, a.Value, a.Value+1, a.Value-1, a.ValueTwo, a.Value^1<<32, a.Value&a.ValueTwo)
		}
	}
	for range 2000 {
		d := &data{arch: audits[random.Intn(len(audits))], number: uint32(random.Intn(500))}
		switch random.Intn(10) {
		case 0:
			d.number |= x32Bit
		case 1:
			d.number = random.Uint32()
		case 2:
			d.number = 4000 + uint32(random.Intn(500))
		}
		for i := range d.args {
			d.args[i] = values[random.Intn(len(values))]
		}
		if got, want := execute(t, vm, d), evaluate(p, d); got != want {
			t.Fatalf("call %d of %#x with %x: %#x, want %#x", d.number, d.arch, d.args, got, want)
		}
	}
}

// generate makes a profile of bytes.
func generate(b []byte) *specs.LinuxSeccomp {
	next := func(n int) int {
		if len(b) == 0 {
			return 0
		}
		c := int(b[0])
		b = b[1:]
		return c % n
	}
	list := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActTrap, specs.ActTrace, specs.ActLog}
	ops := []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual,
	}
	known := []string{"read", "write", "openat", "socket", "socketcall", "shmget", "clone", "personality", "futex", "ioctl", "nope", "execve", "statx"}
	values := []uint64{0, 1, 2, 0xff, 1 << 31, 1 << 32, 1<<32 + 1, 1<<64 - 1, 1 << 63}
	p := &specs.LinuxSeccomp{DefaultAction: list[next(len(list))]}
	for _, a := range []specs.Arch{specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM, specs.ArchMIPSEL, specs.ArchS390X} {
		if next(2) == 1 {
			p.Architectures = append(p.Architectures, a)
		}
	}
	for range next(12) {
		s := specs.LinuxSyscall{Action: list[next(len(list))]}
		if (s.Action == specs.ActErrno || s.Action == specs.ActTrace) && next(2) == 1 {
			errno := uint(next(100))
			s.ErrnoRet = &errno
		}
		for range 1 + next(3) {
			s.Names = append(s.Names, known[next(len(known))])
		}
		for range next(4) {
			s.Args = append(s.Args, specs.LinuxSeccompArg{
				Index: uint(next(6)), Op: ops[next(len(ops))], Value: values[next(len(values))], ValueTwo: values[next(len(values))],
			})
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	return p
}

func TestRandomProfiles(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 300 {
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
		compare(t, p, rand.New(rand.NewSource(3)))
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

// steps counts the instructions that a call passes through.
func steps(f *Filter, d *data) int {
	b, acc, n := packet(d), uint32(0), 0
	for i := 0; ; i++ {
		n++
		p := f.Program[i*8:]
		code, k := binary.NativeEndian.Uint16(p), binary.NativeEndian.Uint32(p[4:])
		holds := false
		switch code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.BigEndian.Uint32(b[k:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= k
			continue
		case unix.BPF_RET | unix.BPF_K:
			return n
		case unix.BPF_JMP | unix.BPF_JA | unix.BPF_K:
			i += int(k)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = acc == k
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = acc >= k
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			holds = acc > k
		}
		if holds {
			i += int(p[2])
		} else {
			i += int(p[3])
		}
	}
}

func TestErrors(t *testing.T) {
	one := uint(1)
	read := []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow}}
	for want, p := range map[string]*specs.LinuxSeccomp{
		"string SCMP_ACT_FOO is not a valid action for seccomp":   {DefaultAction: "SCMP_ACT_FOO"},
		"string SCMP_ARCH_FOO is not a valid arch for seccomp":    {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_FOO"}},
		"seccomp flag \"FOO\" is not known":                       {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"FOO"}},
		"SCMP_ACT_ALLOW takes no errnoRet":                        {DefaultAction: specs.ActAllow, DefaultErrnoRet: &one},
		"SCMP_ACT_NOTIFY cannot be used for the write syscall":    {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"write"}, Action: specs.ActNotify}}},
		"SCMP_ACT_NOTIFY cannot be used as default action":        {DefaultAction: specs.ActNotify},
		"SCMP_ACT_NOTIFY needs a listenerPath":                    {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActNotify}}},
		"listenerPath is set, but no rule":                        {DefaultAction: specs.ActAllow, ListenerPath: "/x", Syscalls: read},
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
	for i := range 2000 {
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
		if n, ok := number(natives()["amd64"], find(name)); !ok || n != want {
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
