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

// natives are the architectures by GOARCH.
var natives = [...]struct {
	goarch string
	arch   archID
}{
	{"386", archX86}, {"amd64", archX86_64}, {"arm", archARM}, {"arm64", archAARCH64}, {"loong64", archLOONGARCH64},
	{"mips", archMIPS}, {"mips64", archMIPS64}, {"mips64le", archMIPSEL64}, {"mipsle", archMIPSEL}, {"ppc64", archPPC64},
	{"ppc64le", archPPC64LE}, {"riscv64", archRISCV64}, {"s390x", archS390X},
}

// native is the architecture of a GOARCH.
func native(goarch string) (archID, bool) {
	for _, n := range natives {
		if n.goarch == goarch {
			return n.arch, true
		}
	}
	return 0, false
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

// family is the architecture that stands for all those whose calls one and the same kernel takes: another kernel never
// reports them.
func family(a archID) archID {
	switch a {
	case archX86, archX32:
		return archX86_64
	case archARM:
		return archAARCH64
	case archMIPS, archMIPS64N32:
		return archMIPS64
	case archMIPSEL, archMIPSEL64N32:
		return archMIPSEL64
	case archPPC:
		return archPPC64
	case archS390:
		return archS390X
	}
	return a
}

// narrow tells whether the ABI's arguments have 32 bits. The kernel shows a filter the whole register all the same: a
// 64-bit process that makes an i386 call (int $0x80) leaves in the high half what it likes, MIPS extends the sign, and
// neither is what the call sees.
func narrow(a archID) bool {
	switch a {
	case archX86, archX32, archARM, archMIPS, archMIPSEL, archMIPS64N32, archMIPSEL64N32, archPPC, archS390:
		return true
	}
	return false
}

// private are the first and the last number of a block that lies apart from the ordinary calls: the ARM kernel's own
// calls (__ARM_NR_BASE), and the calls that x32 does not share with x86_64. New calls of the kernel come neither in
// it nor just behind it.
func private(a archID) (first, last uint32, ok bool) {
	switch a {
	case archARM:
		return 0xf0000, 0xfffff, true
	case archX32:
		return x32Bit | 512, x32Bit | 547, true
	}
	return 0, 0, false
}

// The multiplexers, and what the kernel looks at in their first argument: both are an int, and ipc's has a version above.
const (
	socketcallName = "socketcall"
	ipcName        = "ipc"

	socketcallMask = 0xffffffff
	ipcMask        = 0xffff
)

// multiplexer is the call through which name can be made, and what its first argument then is under a mask: the
// constants of linux/net.h and linux/ipc.h. The mask is 0 for other names.
func multiplexer(name string) (through string, mask, value uint32) {
	switch name {
	case "socket":
		return socketcallName, socketcallMask, 1
	case "bind":
		return socketcallName, socketcallMask, 2
	case "connect":
		return socketcallName, socketcallMask, 3
	case "listen":
		return socketcallName, socketcallMask, 4
	case "accept":
		return socketcallName, socketcallMask, 5
	case "getsockname":
		return socketcallName, socketcallMask, 6
	case "getpeername":
		return socketcallName, socketcallMask, 7
	case "socketpair":
		return socketcallName, socketcallMask, 8
	case "send":
		return socketcallName, socketcallMask, 9
	case "recv":
		return socketcallName, socketcallMask, 10
	case "sendto":
		return socketcallName, socketcallMask, 11
	case "recvfrom":
		return socketcallName, socketcallMask, 12
	case "shutdown":
		return socketcallName, socketcallMask, 13
	case "setsockopt":
		return socketcallName, socketcallMask, 14
	case "getsockopt":
		return socketcallName, socketcallMask, 15
	case "sendmsg":
		return socketcallName, socketcallMask, 16
	case "recvmsg":
		return socketcallName, socketcallMask, 17
	case "accept4":
		return socketcallName, socketcallMask, 18
	case "recvmmsg":
		return socketcallName, socketcallMask, 19
	case "sendmmsg":
		return socketcallName, socketcallMask, 20
	case "semop":
		return ipcName, ipcMask, 1
	case "semget":
		return ipcName, ipcMask, 2
	case "semctl":
		return ipcName, ipcMask, 3
	case "semtimedop":
		return ipcName, ipcMask, 4
	case "msgsnd":
		return ipcName, ipcMask, 11
	case "msgrcv":
		return ipcName, ipcMask, 12
	case "msgget":
		return ipcName, ipcMask, 13
	case "msgctl":
		return ipcName, ipcMask, 14
	case "shmat":
		return ipcName, ipcMask, 21
	case "shmdt":
		return ipcName, ipcMask, 22
	case "shmget":
		return ipcName, ipcMask, 23
	case "shmctl":
		return ipcName, ipcMask, 24
	}
	return "", 0, 0
}
