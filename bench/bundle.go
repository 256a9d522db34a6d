package main

import (
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"mydocker/internal/generate"
)

// document is a config.json.
type document map[string]any

// mountPoints is how many directories for mounts the root filesystem has.
const mountPoints = 100

// object is the object named key in d, made when it is not there.
func (d document) object(key string) document {
	if o, ok := d[key].(map[string]any); ok {
		return o
	}
	o := document{}
	d[key] = map[string]any(o)
	return o
}

// defaultSpec is what `mydocker spec` writes, without a terminal, for program. The version is one that every
// runtime knows.
func defaultSpec(program string) document {
	text, err := json.Marshal(generate.Example())
	d := document{}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		panic(err)
	}
	d["ociVersion"] = "1.0.2"
	delete(d.object("process"), "terminal")
	d.object("process")["args"] = []string{program}
	return d
}

// smallSpec is a container in the background that costs the host little.
func smallSpec() document {
	d := defaultSpec("/bin/pause")
	d["mounts"] = []any{map[string]any{"destination": "/proc", "type": "proc", "source": "proc"}}
	d.object("linux")["namespaces"] = []any{map[string]any{"type": "pid"}, map[string]any{"type": "mount"}}
	delete(d, "hostname")
	return d
}

// mountsSpec is the default spec and n bind mounts.
func (b *bench) mountsSpec(n int) document {
	d := defaultSpec("/bin/true")
	mounts := d["mounts"].([]any)
	for i := range n {
		mounts = append(mounts, map[string]any{
			"destination": fmt.Sprintf("/m/%d", i), "type": "bind", "source": filepath.Join(b.rootfs, "m"),
			"options": []string{"bind", "ro", "nosuid"},
		})
	}
	d["mounts"] = mounts
	return d
}

// dockerSpec is what Docker writes for a small container.
func (b *bench) dockerSpec() (document, error) {
	text, err := os.ReadFile(filepath.Join(b.testdata, "docker.json"))
	if err != nil {
		return nil, err
	}
	d := document{}
	return d, json.Unmarshal([]byte(strings.ReplaceAll(string(text), "@FILES@", filepath.Join(b.rootfs, "etc"))), &d)
}

// bundle writes a bundle for the container id and returns its path.
func (b *bench) bundle(id string, d document) (string, error) {
	d["root"].(map[string]any)["path"] = b.rootfs
	d.object("linux")["cgroupsPath"] = "/" + id
	dir := filepath.Join(b.dir, "bundle", id)
	text, err := json.Marshal(d)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644)
	}
	return dir, err
}

// makeRootfs makes a root filesystem with two programs: true, and pause, which waits for ever.
func (b *bench) makeRootfs() error {
	for _, dir := range []string{"bin", "dev", "etc", "proc", "sys", "t", "tmp"} {
		if err := os.MkdirAll(filepath.Join(b.rootfs, dir), 0o755); err != nil {
			return err
		}
	}
	for i := range mountPoints {
		if err := os.MkdirAll(filepath.Join(b.rootfs, "m", fmt.Sprint(i)), 0o755); err != nil {
			return err
		}
	}
	for _, file := range []string{"hostname", "hosts", "resolv.conf"} {
		if err := os.WriteFile(filepath.Join(b.rootfs, "etc", file), nil, 0o644); err != nil {
			return err
		}
	}
	for name, code := range map[string][]byte{"true": exitCode[runtime.GOARCH], "pause": pauseCode[runtime.GOARCH]} {
		program, err := static(runtime.GOARCH, code)
		if err == nil {
			err = os.WriteFile(filepath.Join(b.rootfs, "bin", name), program, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Machine code of the two programs: they cost next to nothing, so that the runtime's share is what is seen.
var (
	exitCode = map[string][]byte{
		// mov $60, %eax; xor %edi, %edi; syscall
		"amd64": {0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05},
		// mov x8, #93; mov x0, #0; svc #0
		"arm64": {0xa8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4},
	}
	pauseCode = map[string][]byte{
		// again: mov $34, %eax; syscall; jmp again
		"amd64": {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7},
		// again: ppoll(NULL, 0, NULL, NULL, 0): mov x0..x4, #0; mov x8, #73; svc #0; b again
		"arm64": {
			0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2,
			0x04, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xf9, 0xff, 0xff, 0x17,
		},
	}
)

// static makes an executable of machine code: one segment, no sections.
func static(arch string, code []byte) ([]byte, error) {
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if machine == 0 {
		return nil, fmt.Errorf("no programs for %s", arch)
	}
	const address, headers = 0x400000, 64 + 56
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Entry: address + headers,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	size := uint64(headers + len(code))
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: address, Paddr: address, Filesz: size, Memsz: size,
		Align: 0x10000,
	}
	program, err := binary.Append(nil, binary.LittleEndian, header)
	if err == nil {
		program, err = binary.Append(program, binary.LittleEndian, segment)
	}
	return append(program, code...), err
}
