package seccomp

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand"
	"slices"
	"testing"

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

// evaluate is the meaning of a profile on a machine, without any cleverness.
func evaluate(p *specs.LinuxSeccomp, goarch string, d *data) uint32 {
	value := func(name specs.LinuxSeccompAction, errno *uint) uint32 {
		r, _ := action(name)
		if r == unix.SECCOMP_RET_ERRNO || r == unix.SECCOMP_RET_TRACE {
			if errno == nil {
				return r | uint32(unix.EPERM)
			}
			return r | uint32(*errno)
		}
		return r
	}
	arch := called(p, goarch, d)
	if arch < 0 {
		return unix.SECCOMP_RET_KILL_PROCESS
	}
	half := slices.Contains([]archID{
		archX86, archX32, archARM, archMIPS, archMIPSEL, archMIPS64N32, archMIPSEL64N32, archPPC, archS390,
	}, arch)
	fallback := value(p.DefaultAction, p.DefaultErrnoRet)
	ordinary, conditional, plain := int64(-1), int64(-1), int64(-1)
	for _, s := range p.Syscalls {
		r := value(s.Action, s.ErrnoRet)
		for _, name := range s.Names {
			at := find(name)
			if at < 0 {
				continue
			}
			if n, ok := number(arch, at); ok {
				if !apart(arch, n) {
					ordinary = max(ordinary, int64(n))
				}
				if n == d.number {
					switch {
					case len(s.Args) == 0 && r != fallback && plain < 0:
						plain = int64(r)
					case len(s.Args) > 0 && conditional < 0 && holds(s.Args, d, half):
						conditional = int64(r)
					}
				}
			}
			through, mask, value := multiplexer(name)
			if mask == 0 || !multiplexed(arch) || len(s.Args) > 0 {
				continue
			}
			if n, ok := number(arch, find(through)); ok {
				ordinary = max(ordinary, int64(n))
				if n == d.number && uint32(d.args[0])&mask == value && conditional < 0 {
					conditional = int64(r)
				}
			}
		}
	}
	lenient := slices.Contains([]specs.LinuxSeccompAction{specs.ActAllow, specs.ActLog, specs.ActTrace}, p.DefaultAction)
	switch {
	case plain >= 0:
		return uint32(plain)
	case conditional >= 0:
		return uint32(conditional)
	case !lenient && ordinary >= 0 && int64(d.number) > ordinary && !apart(arch, d.number):
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	return fallback
}

// called is the architecture that a call is of, -1 when the profile does not list it.
func called(p *specs.LinuxSeccomp, goarch string, d *data) archID {
	own, _ := native(goarch)
	listed := []archID{own}
	for _, a := range p.Architectures {
		id, _ := findArch(a)
		if family(id) == family(listed[0]) {
			listed = append(listed, id)
		}
	}
	x32 := d.arch == unix.AUDIT_ARCH_X86_64 && d.number >= x32Bit
	if x32 && d.number == math.MaxUint32 && !slices.Contains(listed, archX32) {
		x32 = false
	}
	for _, a := range listed {
		if auditArch[a] == d.arch && (a == archX32) == x32 {
			return a
		}
	}
	return -1
}

func apart(arch archID, n uint32) bool {
	return arch == archARM && n>>16 == 0xf || arch == archX32 && n >= x32Bit+512 && n < x32Bit+548
}

// holds tells whether the conditions of a rule do; half says that arguments and values have 32 bits.
func holds(args []specs.LinuxSeccompArg, d *data, half bool) bool {
	var count [6]int
	for _, a := range args {
		count[a.Index]++
	}
	one := func(a specs.LinuxSeccompArg) bool {
		v := d.args[a.Index]
		if half {
			v, a.Value, a.ValueTwo = uint64(uint32(v)), uint64(uint32(a.Value)), uint64(uint32(a.ValueTwo))
		}
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
		return v&a.Value == a.ValueTwo&a.Value
	}
	if slices.Max(count[:]) > 1 {
		return slices.ContainsFunc(args, one)
	}
	return !slices.ContainsFunc(args, func(a specs.LinuxSeccompArg) bool { return !one(a) })
}

var audits = []uint32{
	unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_ARM,
	unix.AUDIT_ARCH_MIPSEL, unix.AUDIT_ARCH_MIPSEL64, unix.AUDIT_ARCH_MIPSEL64N32, unix.AUDIT_ARCH_S390, unix.AUDIT_ARCH_S390X, unix.AUDIT_ARCH_PPC64LE, 0,
}

// compare runs calls that are near to what the profile says.
func compare(t *testing.T, p *specs.LinuxSeccomp, random *rand.Rand) {
	t.Helper()
	machines := []string{"amd64", "amd64", "386", "arm64", "arm", "s390x", "mipsle", "mips64le", "ppc64le"}
	goarch := machines[random.Intn(len(machines))]
	own, _ := native(goarch)
	f, err := Compile(p, goarch)
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
	for range 1000 {
		d := &data{arch: audits[random.Intn(len(audits))], number: uint32(random.Intn(500))}
		if random.Intn(3) > 0 {
			d.arch = auditArch[own]
		}
		switch random.Intn(10) {
		case 0:
			d.number |= x32Bit
		case 1:
			d.number = random.Uint32()
		case 2:
			d.number = []uint32{4000, 5000, 6000}[random.Intn(3)] + uint32(random.Intn(500))
		case 3:
			d.number = x32Bit + 500 + uint32(random.Intn(60))
		case 4:
			d.number = 0xf0000 - 2 + uint32(random.Intn(10))
		case 5:
			d.number = math.MaxUint32 - uint32(random.Intn(2))
		}
		for i := range d.args {
			d.args[i] = values[random.Intn(len(values))]
		}
		if got, want := execute(t, vm, d), evaluate(p, goarch, d); got != want {
			t.Fatalf("on %s: call %d of %#x with %x: %#x, want %#x", goarch, d.number, d.arch, d.args, got, want)
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
	known := []string{"read", "write", "openat", "socket", "socketcall", "shmget", "clone", "personality", "futex", "ioctl", "nope", "execve", "statx", "set_tls", "listns"}
	values := []uint64{0, 1, 2, 0xff, 1 << 31, 1 << 32, 1<<32 + 1, 1<<64 - 1, 1 << 63}
	p := &specs.LinuxSeccomp{DefaultAction: list[next(len(list))]}
	for _, a := range []specs.Arch{specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM, specs.ArchMIPSEL, specs.ArchMIPSEL64N32, specs.ArchS390} {
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

// ruled is a profile that allows all but one call.
func ruled(nr string, action specs.LinuxSeccompAction, errno *uint, args ...specs.LinuxSeccompArg) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{nr}, Action: action, ErrnoRet: errno, Args: args}},
	}
}
