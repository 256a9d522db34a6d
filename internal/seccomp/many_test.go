package seccomp

import (
	"math/rand"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// valued is a profile with a rule for each of n values of the second argument of ioctl.
func valued(n int, archs ...specs.Arch) *specs.LinuxSeccomp {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: archs}
	for i := range uint64(n) {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Value: 0x5400 + 3*i, Op: specs.OpEqualTo}},
		})
	}
	return p
}

// A list of values costs little more than an instruction for each, and few steps.
func TestManyValues(t *testing.T) {
	for _, c := range []struct {
		name string
		p    *specs.LinuxSeccomp
		most int
	}{
		{"400 values, three architectures", valued(400, specs.ArchX86_64, specs.ArchX86, specs.ArchX32), 1500},
		{"900 values", valued(900, specs.ArchX86_64), 1150},
	} {
		f, err := Compile(c.p, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for _, s := range c.p.Syscalls {
			d := &data{number: unix.SYS_IOCTL, arch: unix.AUDIT_ARCH_X86_64}
			d.args[1] = s.Args[0].Value
			passed = max(passed, steps(f, d))
		}
		t.Logf("%s: %d instructions, at most %d for a call", c.name, f.Len(), passed)
		if f.Len() > c.most || passed > 40 {
			t.Errorf("%s: %d instructions, at most %d for a call", c.name, f.Len(), passed)
		}
		compare(t, c.p, rand.New(rand.NewSource(1)))
	}
}

// mixed is a profile with many rules for few calls: runs of values, in several groups of high halves, with one and with
// several actions, and between them rules of other kinds.
func mixed(random *rand.Rand) *specs.LinuxSeccomp {
	ops := []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual, specs.OpEqualTo,
	}
	value := func() uint64 { return uint64(random.Intn(4))<<32 | uint64(random.Intn(200)) }
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32}}
	names := []string{"ioctl", "getppid"}
	for range 3 + random.Intn(4) {
		index, name := uint(random.Intn(2)), names[random.Intn(2)]
		actions := 1 + random.Intn(8)
		for range random.Intn(90) {
			errno := uint(1 + random.Intn(actions))
			p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &errno,
				Args: []specs.LinuxSeccompArg{{Index: index, Value: value(), Op: specs.OpEqualTo}},
			})
		}
		for range random.Intn(3) {
			errno := uint(50 + random.Intn(9))
			s := specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &errno}
			for i := range uint(1 + random.Intn(2)) {
				s.Args = append(s.Args, specs.LinuxSeccompArg{Index: i, Value: value() &^ 0x80, ValueTwo: value(), Op: ops[random.Intn(len(ops))]})
			}
			p.Syscalls = append(p.Syscalls, s)
		}
	}
	return p
}

// Many rules mean what the profile says, in the order that they have there.
func TestMixedRules(t *testing.T) {
	random := rand.New(rand.NewSource(3))
	for range 40 {
		p := mixed(random)
		f, err := Compile(p, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		vm := machine(t, f)
		archs := []data{
			{number: unix.SYS_IOCTL, arch: unix.AUDIT_ARCH_X86_64}, {number: unix.SYS_GETPPID, arch: unix.AUDIT_ARCH_X86_64},
			{number: 54, arch: unix.AUDIT_ARCH_I386}, {number: 64, arch: unix.AUDIT_ARCH_I386}, {number: x32Bit + 514, arch: unix.AUDIT_ARCH_X86_64},
		}
		for range 1000 {
			d := archs[random.Intn(len(archs))]
			for i := range 2 {
				d.args[i] = uint64(random.Intn(5))<<32 | uint64(random.Intn(210))
			}
			if got, want := execute(t, vm, &d), evaluate(p, "amd64", &d); got != want {
				t.Fatalf("call %d of %#x with %x: %#x, want %#x", d.number, d.arch, d.args, got, want)
			}
		}
	}
}

// The meaning that seccomp_rule_add(3) gives SCMP_CMP_MASKED_EQ: the argument is masked, and so is the datum.
func TestMaskedDatum(t *testing.T) {
	for _, c := range []struct {
		mask, datum, arg uint64
		holds            bool
	}{
		{0xff, 0x101, 1, true}, {0xff, 0x101, 0x101, true}, {0xff, 0x101, 0xff01, true}, {0xff, 0x101, 2, false},
		{0xff, 0x100, 0, true}, {0xff, 0x100, 0x100, true}, {0xff, 0x100, 1, false},
		{0xff << 32, 1<<40 | 1<<32, 1 << 32, true}, {0xff << 32, 1<<32 | 5, 1<<32 | 9, true}, {0xff << 32, 1<<32 | 5, 5, false},
		{0, 7, 9, true}, {0, 1 << 40, 0, true},
	} {
		p := ruled("nfsservctl", specs.ActTrap, nil, specs.LinuxSeccompArg{Value: c.mask, ValueTwo: c.datum, Op: specs.OpMaskedEqual})
		d := &data{number: 180, arch: unix.AUDIT_ARCH_X86_64}
		d.args[0] = c.arg
		want := uint32(unix.SECCOMP_RET_ALLOW)
		if c.holds {
			want = unix.SECCOMP_RET_TRAP
		}
		if got := verdict(t, p, "amd64", d); got != want {
			t.Errorf("%#x & %#x, %#x: %#x, want %#x", c.arg, c.mask, c.datum, got, want)
		}
	}
}
