package cgroups

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// programName marks the device programs that are ours in the kernel: systemd attaches one of its own beside it.
const programName = "mydocker_dev"

// instruction is struct bpf_insn of linux/bpf.h.
type instruction struct {
	code      uint8
	registers uint8 // the destination, and 16 times the source
	offset    int16 // of a jump, from the next instruction on
	constant  int32
}

// Codes of instructions (Documentation/bpf/standardization/instruction-set.rst). Those on words ignore and clear the
// upper half of a register; jumps on words came with Linux 5.1.
const (
	loadWord     = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	move         = unix.BPF_ALU | unix.BPF_MOV | unix.BPF_X
	set          = unix.BPF_ALU | unix.BPF_MOV | unix.BPF_K
	shiftRight   = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	mask         = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	jumpEqual    = unix.BPF_JMP32 | unix.BPF_JEQ | unix.BPF_K
	jumpNotEqual = unix.BPF_JMP32 | unix.BPF_JNE | unix.BPF_K
	exitProgram  = unix.BPF_JMP | unix.BPF_EXIT
)

// Registers of the program: 0 is its answer, 1 the context that it is called with.
const (
	inAnswer = iota
	inContext
	inKind
	inAccess
	inMajor
	inMinor
	inScratch
)

// program compiles the rules to a program of type BPF_PROG_TYPE_CGROUP_DEVICE. Its context, struct
// bpf_cgroup_dev_ctx, has the kind of the device and the access in the halves of its first word, then the numbers.
func (s *ruleset) program() []instruction {
	p := []instruction{
		{loadWord, inKind | inContext<<4, 0, 0},
		{move, inAccess | inKind<<4, 0, 0},
		{shiftRight, inAccess, 0, 16},
		{mask, inKind, 0, 0xffff},
		{loadWord, inMajor | inContext<<4, 4, 0},
		{loadWord, inMinor | inContext<<4, 8, 0},
	}
	for _, e := range s.exceptions {
		p = append(p, s.test(e)...)
	}
	return append(p, verdict(s.allow)...)
}

// test is the part of the program that one exception makes. It allows what asks for no more than the exception has, or
// forbids what asks for any of it, as the files of v1 do.
func (s *ruleset) test(e exception) []instruction {
	kind := int32(unix.BPF_DEVCG_DEV_CHAR)
	if e.kind == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	t := []instruction{{jumpNotEqual, inKind, 0, kind}}
	if e.access != fullAccess {
		asked := instruction{mask, inScratch, 0, e.access.program()}
		beside := instruction{jumpEqual, inScratch, 0, 0}
		if !s.allow {
			asked.constant ^= fullAccess.program()
			beside.code = jumpNotEqual
		}
		t = append(t, instruction{move, inScratch | inAccess<<4, 0, 0}, asked, beside)
	}
	if e.major != wildcard {
		t = append(t, instruction{jumpNotEqual, inMajor, 0, int32(uint32(e.major))})
	}
	if e.minor != wildcard {
		t = append(t, instruction{jumpNotEqual, inMinor, 0, int32(uint32(e.minor))})
	}
	t = append(t, verdict(!s.allow)...)
	for i := range t {
		if t[i].code == jumpEqual || t[i].code == jumpNotEqual {
			t[i].offset = int16(len(t) - i - 1)
		}
	}
	return t
}

func verdict(allow bool) []instruction {
	v := instruction{set, inAnswer, 0, 0}
	if allow {
		v.constant = 1
	}
	return []instruction{v, {exitProgram, 0, 0, 0}}
}

// program is the access as the context of a device program has it.
func (a access) program() int32 {
	var bits int32
	for _, b := range []struct {
		ours access
		bit  int32
	}{{mknodAccess, unix.BPF_DEVCG_ACC_MKNOD}, {readAccess, unix.BPF_DEVCG_ACC_READ}, {writeAccess, unix.BPF_DEVCG_ACC_WRITE}} {
		if a&b.ours != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// attachProgram makes the program of the rules the cgroup's. One of ours that is there is replaced in one step: two
// would both have to allow an access.
func (s *ruleset) attachProgram(dir string, fresh bool) error {
	if fresh && s.allow && len(s.exceptions) == 0 {
		return nil
	}
	cgroup, err := open(dir, unix.O_DIRECTORY|unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(cgroup)
	program, err := loadProgram(s.program())
	if err != nil {
		return fmt.Errorf("load device program: %w", err)
	}
	defer unix.Close(program)
	var old []int
	if !fresh {
		if old, err = ownPrograms(cgroup); err != nil {
			return fmt.Errorf("look for device programs: %w", err)
		}
	}
	a := attachment{target: uint32(cgroup), program: uint32(program), kind: unix.BPF_CGROUP_DEVICE, flags: unix.BPF_F_ALLOW_MULTI}
	if len(old) > 0 {
		a.flags |= unix.BPF_F_REPLACE
		a.replaced = uint32(old[0])
	}
	_, err = bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&a), unsafe.Sizeof(a))
	for i, fd := range old {
		if i > 0 && err == nil {
			more := attachment{target: uint32(cgroup), program: uint32(fd), kind: unix.BPF_CGROUP_DEVICE}
			_, err = bpf(unix.BPF_PROG_DETACH, unsafe.Pointer(&more), unsafe.Sizeof(more))
		}
		_ = unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("attach device program: %w", err)
	}
	return nil
}

// attachment, loading, query, identity and inspection are the parts of union bpf_attr that bpf(2) is given here.
type attachment struct {
	target, program, kind, flags, replaced uint32
}

type loading struct {
	kind, count           uint32
	instructions, license uint64
	logLevel, logSize     uint32
	log                   uint64
	version, flags        uint32
	name                  [16]byte
	device, attached      uint32
}

type query struct {
	target, kind, flags, attached uint32
	ids                           uint64
	count, _                      uint32
}

type identity struct {
	id, next, flags uint32
}

type inspection struct {
	program, size uint32
	info          uint64
}

func loadProgram(p []instruction) (int, error) {
	license := []byte("Apache-2.0\x00")
	l := loading{
		kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(p)), attached: unix.BPF_CGROUP_DEVICE,
		instructions: uint64(uintptr(unsafe.Pointer(&p[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	copy(l.name[:], programName)
	fd, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&l), unsafe.Sizeof(l))
	runtime.KeepAlive(p)
	runtime.KeepAlive(license)
	return fd, err
}

// ownPrograms are descriptors of the device programs of ours that are attached to a cgroup.
func ownPrograms(cgroup int) ([]int, error) {
	ids := make([]uint32, 64) // as many as a cgroup can have (BPF_CGROUP_MAX_PROGS)
	q := query{target: uint32(cgroup), kind: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(&ids[0]))), count: uint32(len(ids))}
	_, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&q), unsafe.Sizeof(q))
	runtime.KeepAlive(ids)
	if err != nil {
		return nil, err
	}
	var own []int
	for _, id := range ids[:q.count] {
		i := identity{id: id}
		fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&i), unsafe.Sizeof(i))
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return own, err
		}
		if !isOwn(fd) {
			_ = unix.Close(fd)
			continue
		}
		own = append(own, fd)
	}
	return own, nil
}

// isOwn tells whether a program has our name, which lies 64 bytes into struct bpf_prog_info.
func isOwn(program int) bool {
	const nameAt, nameSize = 64, 16
	var info [nameAt + nameSize]byte
	i := inspection{program: uint32(program), size: uint32(len(info)), info: uint64(uintptr(unsafe.Pointer(&info[0])))}
	_, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, unsafe.Pointer(&i), unsafe.Sizeof(i))
	runtime.KeepAlive(&info)
	return err == nil && string(bytes.TrimRight(info[nameAt:], "\x00")) == programName
}

func bpf(command uintptr, attributes unsafe.Pointer, size uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(attributes), size)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR, unix.EAGAIN: // a load that a signal has interrupted
			continue
		}
		return 0, os.NewSyscallError("bpf", errno)
	}
}
