package seccomp

import "golang.org/x/sys/unix"

// auditArch is what the kernel calls an architecture (seccomp_data.arch). x32 is x86_64 with a bit in the number.
var auditArch = [...]uint32{
	archAARCH64: unix.AUDIT_ARCH_AARCH64, archARM: unix.AUDIT_ARCH_ARM, archLOONGARCH64: unix.AUDIT_ARCH_LOONGARCH64,
	archMIPS: unix.AUDIT_ARCH_MIPS, archMIPS64: unix.AUDIT_ARCH_MIPS64, archMIPS64N32: unix.AUDIT_ARCH_MIPS64N32,
	archMIPSEL: unix.AUDIT_ARCH_MIPSEL, archMIPSEL64: unix.AUDIT_ARCH_MIPSEL64, archMIPSEL64N32: unix.AUDIT_ARCH_MIPSEL64N32,
	archPPC: unix.AUDIT_ARCH_PPC, archPPC64: unix.AUDIT_ARCH_PPC64, archPPC64LE: unix.AUDIT_ARCH_PPC64LE,
	archRISCV64: unix.AUDIT_ARCH_RISCV64, archS390: unix.AUDIT_ARCH_S390, archS390X: unix.AUDIT_ARCH_S390X,
	archX32: unix.AUDIT_ARCH_X86_64, archX86: unix.AUDIT_ARCH_I386, archX86_64: unix.AUDIT_ARCH_X86_64,
}

// x32Bit is set in the numbers of x32 calls.
const x32Bit = 0x40000000

// littleEndian is the bit of an audit architecture that tells the byte order.
const littleEndian = 0x40000000

// natives are the architectures by GOARCH.
func natives() map[string]archID {
	return map[string]archID{
		"386": archX86, "amd64": archX86_64, "arm": archARM, "arm64": archAARCH64, "loong64": archLOONGARCH64,
		"mips": archMIPS, "mips64": archMIPS64, "mips64le": archMIPSEL64, "mipsle": archMIPSEL, "ppc64": archPPC64,
		"ppc64le": archPPC64LE, "riscv64": archRISCV64, "s390x": archS390X,
	}
}

// multiplexed tells whether the architecture has socketcall(2) and ipc(2), through which the calls for sockets and
// System V IPC can be made too.
func multiplexed(a archID) bool {
	switch a {
	case archX86, archS390, archS390X, archPPC, archPPC64, archPPC64LE, archMIPS, archMIPSEL:
		return true
	}
	return false
}

// multiplexer is the call through which name can be made, and the first argument that it then has.
func multiplexer(name string) (through string, call uint64) {
	for i, n := range [...]string{
		"socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv", "sendto",
		"recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg",
	} {
		if n == name {
			return "socketcall", uint64(i + 1)
		}
	}
	for _, c := range [...]struct {
		name string
		call uint64
	}{
		{"semop", 1}, {"semget", 2}, {"semctl", 3}, {"semtimedop", 4}, {"msgsnd", 11}, {"msgrcv", 12}, {"msgget", 13},
		{"msgctl", 14}, {"shmat", 21}, {"shmdt", 22}, {"shmget", 23}, {"shmctl", 24},
	} {
		if c.name == name {
			return "ipc", c.call
		}
	}
	return "", 0
}
