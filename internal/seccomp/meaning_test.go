package seccomp

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// verdict compiles a profile and runs one call.
func verdict(t *testing.T, p *specs.LinuxSeccomp, native string, d *data) uint32 {
	t.Helper()
	f, err := Compile(p, native)
	if err != nil {
		t.Fatal(err)
	}
	return execute(t, machine(t, f), d)
}

func TestActions(t *testing.T) {
	data := uint(0x1234)
	for _, c := range []struct {
		action specs.LinuxSeccompAction
		errno  *uint
		want   uint32
	}{
		{specs.ActKill, nil, 0}, {specs.ActKillThread, nil, 0}, {specs.ActKillProcess, nil, 0x80000000}, {specs.ActTrap, nil, 0x30000},
		{specs.ActErrno, nil, 0x50001}, {specs.ActErrno, &data, 0x51234}, {specs.ActTrace, nil, 0x7ff00001},
		{specs.ActTrace, &data, 0x7ff01234}, {specs.ActLog, nil, 0x7ffc0000}, {specs.ActAllow, nil, 0x7fff0000}, {specs.ActNotify, nil, 0x7fc00000},
	} {
		p := ruled("read", c.action, c.errno)
		if c.action == specs.ActNotify {
			p.ListenerPath = "/agent"
		}
		if got := verdict(t, p, "amd64", &data0); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.action, got, c.want)
		}
		if c.action == specs.ActNotify {
			continue
		}
		p = &specs.LinuxSeccomp{DefaultAction: c.action, DefaultErrnoRet: c.errno}
		if got := verdict(t, p, "amd64", &data0); got != c.want {
			t.Errorf("default %s: %#x, want %#x", c.action, got, c.want)
		}
	}
}

// data0 is read(2) with arguments of 0.
var data0 = data{number: unix.SYS_READ, arch: unix.AUDIT_ARCH_X86_64}

func TestOperators(t *testing.T) {
	const big = 1<<33 + 5
	for _, c := range []struct {
		op         specs.LinuxSeccompOperator
		value, two uint64
		holds      []uint64
		fails      []uint64
	}{
		{specs.OpEqualTo, big, 0, []uint64{big}, []uint64{5, 1 << 33, big + 1, 1<<34 + 5}},
		{specs.OpNotEqual, big, 0, []uint64{5, 1 << 33, big + 1}, []uint64{big}},
		{specs.OpLessThan, big, 0, []uint64{0, 1<<32 + 9, big - 1}, []uint64{big, big + 1, 1 << 34, 1<<64 - 1}},
		{specs.OpLessEqual, big, 0, []uint64{0, 1<<32 + 9, big}, []uint64{big + 1, 1 << 34, 1<<64 - 1}},
		{specs.OpGreaterThan, big, 0, []uint64{big + 1, 1 << 34, 1<<64 - 1}, []uint64{0, 1<<32 + 9, big}},
		{specs.OpGreaterEqual, big, 0, []uint64{big, 1 << 34, 1<<64 - 1}, []uint64{0, 1<<32 + 9, big - 1}},
		{specs.OpMaskedEqual, 0xf0000000f, 0x300000001, []uint64{0x300000001, 0x1300000ff1}, []uint64{1, 3 << 32, 0x300000002}},
	} {
		for index := range uint(maxArgs) {
			p := ruled("read", specs.ActTrap, nil, specs.LinuxSeccompArg{Index: index, Value: c.value, ValueTwo: c.two, Op: c.op})
			for i, v := range slices.Concat(c.holds, c.fails) {
				d := data0
				d.args[index] = v
				want := uint32(unix.SECCOMP_RET_TRAP)
				if i >= len(c.holds) {
					want = unix.SECCOMP_RET_ALLOW
				}
				if got := verdict(t, p, "amd64", &d); got != want {
					t.Errorf("%#x %s %#x, %#x: %#x, want %#x", v, c.op, c.value, c.two, got, want)
				}
			}
		}
	}
}

func TestFlags(t *testing.T) {
	for name, want := range map[specs.LinuxSeccompFlag]uint32{
		"SECCOMP_FILTER_FLAG_TSYNC": 1, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
		"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
	} {
		p := ruled("read", specs.ActNotify, nil)
		p.ListenerPath, p.ListenerMetadata, p.Flags = "/agent", "meta", []specs.LinuxSeccompFlag{name}
		f, err := Compile(p, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		if f.Flags != want || !f.Notify || f.ListenerPath != "/agent" || f.ListenerMetadata != "meta" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Without SCMP_ACT_NOTIFY the listener is ignored.
func TestUnusedListener(t *testing.T) {
	p := ruled("read", specs.ActErrno, nil)
	p.ListenerPath, p.ListenerMetadata = "/agent", "meta"
	f, err := Compile(p, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if f.Notify {
		t.Error("it notifies")
	}
}

func TestNewerCalls(t *testing.T) {
	enosys, eperm := unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS), unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)
	allow := func(archs []specs.Arch, action specs.LinuxSeccompAction, names ...string) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{
			DefaultAction: action, Architectures: archs,
			Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActAllow}},
		}
	}
	arm, x32 := []specs.Arch{specs.ArchARM}, []specs.Arch{specs.ArchX32}
	for _, c := range []struct {
		name   string
		p      *specs.LinuxSeccomp
		native string
		arch   uint32
		number uint32
		want   uint32
	}{
		{"newer", allow(nil, specs.ActErrno, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 333, enosys},
		{"newer, and kill", allow(nil, specs.ActKillProcess, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 333, enosys},
		{"newer, and log", allow(nil, specs.ActLog, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 333, unix.SECCOMP_RET_LOG},
		{"newer, and trace", allow(nil, specs.ActTrace, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 333, unix.SECCOMP_RET_TRACE | 1},
		{"older", allow(nil, specs.ActErrno, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 331, eperm},
		{"no call is named", allow(nil, specs.ActKillProcess, "of another world"), "amd64", unix.AUDIT_ARCH_X86_64, 1, unix.SECCOMP_RET_KILL_PROCESS},
		{"arm, private", allow(arm, specs.ActErrno, "statx", "set_tls"), "arm64", unix.AUDIT_ARCH_ARM, 0xf0005, unix.SECCOMP_RET_ALLOW},
		{"arm, another private one", allow(arm, specs.ActErrno, "statx", "set_tls"), "arm64", unix.AUDIT_ARCH_ARM, 0xf0002, eperm},
		{"arm, newer", allow(arm, specs.ActErrno, "statx", "set_tls"), "arm64", unix.AUDIT_ARCH_ARM, 398, enosys},
		{"x32, newer", allow(x32, specs.ActErrno, "statx", "execve"), "amd64", unix.AUDIT_ARCH_X86_64, x32Bit + 333, enosys},
		{"x32, its own", allow(x32, specs.ActErrno, "statx", "execve"), "amd64", unix.AUDIT_ARCH_X86_64, x32Bit + 520, unix.SECCOMP_RET_ALLOW},
		{"x32, another of its own", allow(x32, specs.ActErrno, "statx", "execve"), "amd64", unix.AUDIT_ARCH_X86_64, x32Bit + 521, eperm},
		{"x32, not listed", allow(nil, specs.ActErrno, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, x32Bit, unix.SECCOMP_RET_KILL_PROCESS},
		{"-1", allow(nil, specs.ActErrno, "statx"), "amd64", unix.AUDIT_ARCH_X86_64, 1<<32 - 1, enosys},
		{"x86, not listed", allow(nil, specs.ActErrno, "statx"), "amd64", unix.AUDIT_ARCH_I386, 383, unix.SECCOMP_RET_KILL_PROCESS},
		{"x32 alone on 386", allow(x32, specs.ActErrno, "statx"), "386", unix.AUDIT_ARCH_X86_64, 1, unix.SECCOMP_RET_KILL_PROCESS},
	} {
		if got := verdict(t, c.p, c.native, &data{number: c.number, arch: c.arch}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

// Of an argument that has 32 bits, what a process puts above them gets it past no rule, nor into one.
func TestNarrowArguments(t *testing.T) {
	for _, c := range []struct {
		op         specs.LinuxSeccompOperator
		value, two uint64
		low        uint32
		holds      bool
	}{
		{specs.OpEqualTo, 8, 0, 8, true}, {specs.OpEqualTo, 8, 0, 9, false}, {specs.OpEqualTo, 1<<64 - 1, 0, 1<<32 - 1, true},
		{specs.OpNotEqual, 8, 0, 9, true}, {specs.OpNotEqual, 8, 0, 8, false},
		{specs.OpLessThan, 8, 0, 7, true}, {specs.OpLessThan, 8, 0, 8, false},
		{specs.OpLessEqual, 8, 0, 8, true}, {specs.OpLessEqual, 8, 0, 9, false},
		{specs.OpGreaterThan, 8, 0, 9, true}, {specs.OpGreaterThan, 8, 0, 8, false},
		{specs.OpGreaterEqual, 8, 0, 8, true}, {specs.OpGreaterEqual, 8, 0, 7, false},
		{specs.OpMaskedEqual, 0xc, 8, 0xb, true}, {specs.OpMaskedEqual, 0xc, 8, 0xc, false},
	} {
		p := ruled("personality", specs.ActTrap, nil, specs.LinuxSeccompArg{Index: 0, Value: c.value, ValueTwo: c.two, Op: c.op})
		want := uint32(unix.SECCOMP_RET_ALLOW)
		if c.holds {
			want = unix.SECCOMP_RET_TRAP
		}
		for _, on := range []struct {
			native string
			arch   archID
		}{
			{"amd64", archX86}, {"amd64", archX32}, {"386", archX86}, {"arm64", archARM}, {"mips64le", archMIPSEL64N32},
			{"mips64", archMIPS}, {"s390x", archS390}, {"ppc64", archPPC},
		} {
			p.Architectures = []specs.Arch{archPrefix + specs.Arch(archNames[on.arch])}
			nr, _ := number(on.arch, find("personality"))
			for _, high := range []uint64{0, 1, 1<<32 - 1} {
				d := &data{number: nr, arch: auditArch[on.arch]}
				d.args[0] = high<<32 | uint64(c.low)
				if got := verdict(t, p, on.native, d); got != want {
					t.Errorf("%s: %#x %s %#x: %#x, want %#x", archNames[on.arch], d.args[0], c.op, c.value, got, want)
				}
			}
		}
	}
}

// Calls that go through socketcall and ipc are found whatever else the first argument holds that the kernel ignores.
func TestMultiplexers(t *testing.T) {
	refuse := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"connect", "shmget"}, Action: specs.ActTrap}},
	}
	for _, c := range []struct {
		native string
		arch   uint32
		number uint32
		first  uint64
		want   uint32
	}{
		{"amd64", unix.AUDIT_ARCH_I386, 102, 3, unix.SECCOMP_RET_TRAP}, {"amd64", unix.AUDIT_ARCH_I386, 102, 4, unix.SECCOMP_RET_ALLOW},
		{"amd64", unix.AUDIT_ARCH_I386, 117, 23, unix.SECCOMP_RET_TRAP}, {"amd64", unix.AUDIT_ARCH_I386, 117, 1<<16 | 23, unix.SECCOMP_RET_TRAP},
		{"amd64", unix.AUDIT_ARCH_I386, 117, 24, unix.SECCOMP_RET_ALLOW}, {"amd64", unix.AUDIT_ARCH_I386, 362, 0, unix.SECCOMP_RET_TRAP},
		{"s390x", unix.AUDIT_ARCH_S390X, 102, 1<<32 | 3, unix.SECCOMP_RET_TRAP}, {"s390x", unix.AUDIT_ARCH_S390X, 102, 1<<32 | 4, unix.SECCOMP_RET_ALLOW},
	} {
		d := &data{number: c.number, arch: c.arch}
		d.args[0] = c.first
		if got := verdict(t, refuse, c.native, d); got != c.want {
			t.Errorf("%s: call %d with %#x: %#x, want %#x", c.native, c.number, c.first, got, c.want)
		}
	}
}

// Every architecture is taken, and those that never occur on the machine cost nothing.
func TestForeignArchitectures(t *testing.T) {
	p := ruled("read", specs.ActErrno, nil)
	for _, a := range Archs() {
		p.Architectures = append(p.Architectures, specs.Arch(a))
	}
	for _, n := range natives {
		native, own := n.goarch, n.arch
		f, err := Compile(p, native)
		if err != nil {
			t.Fatal(err)
		}
		if f.Len() > 40 {
			t.Errorf("%s: %d instructions", native, f.Len())
		}
		nr, _ := number(own, find("read"))
		if got := execute(t, machine(t, f), &data{number: nr, arch: auditArch[own]}); got != unix.SECCOMP_RET_ERRNO|1 {
			t.Errorf("%s: %#x", native, got)
		}
	}
}

// An error tells the field.
func TestFields(t *testing.T) {
	bad := specs.LinuxSeccompArg{Op: "SCMP_CMP_FOO"}
	good := specs.LinuxSeccompArg{Op: specs.OpEqualTo}
	for want, p := range map[string]*specs.LinuxSeccomp{
		"linux.seccomp.defaultAction":          {DefaultAction: "SCMP_ACT_FOO"},
		"linux.seccomp.architectures[1]":       {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, "FOO"}},
		"linux.seccomp.syscalls[0].action":     ruled("read", "SCMP_ACT_FOO", nil),
		"linux.seccomp.syscalls[0].names[0]":   ruled("", specs.ActErrno, nil),
		"linux.seccomp.syscalls[0].args[1].op": ruled("read", specs.ActErrno, nil, good, bad),
		"linux.seccomp.flags[0]":               {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"FOO"}},
		"linux.seccomp.listenerPath":           ruled("read", specs.ActNotify, nil),
	} {
		_, err := Compile(p, "amd64")
		var f *fault.Error
		if !errors.As(err, &f) || f.Field != want || f.Code != fault.Seccomp {
			t.Errorf("%v: want field %s", err, want)
		}
	}
	if _, err := Compile(ruled("read", specs.ActErrno, nil), "wasm"); err == nil {
		t.Error("a machine without seccomp is taken")
	}
}

// What `features` lists is what engines have been told so far.
func TestLists(t *testing.T) {
	b, err := os.ReadFile("testdata/features/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct{ Actions, Operators, Archs, KnownFlags []string }
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for name, lists := range map[string][2][]string{
		"actions": {Actions(), want.Actions}, "operators": {Operators(), want.Operators}, "archs": {Archs(), want.Archs}, "flags": {Flags(), want.KnownFlags},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %v, want %v", name, lists[0], lists[1])
		}
	}
	if got := SupportedFlags(); !slices.Equal(got, Flags()) {
		t.Logf("this kernel supports %v", got)
		if !slices.Contains(got, "SECCOMP_FILTER_FLAG_TSYNC") {
			t.Errorf("supported flags: %v", got)
		}
	}
}
