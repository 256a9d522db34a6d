package libinit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// diagnose says why the kernel did not execute the program: its own words name neither the interpreter that is
// missing nor the architecture that is another.
func (e *Env) diagnose(errno unix.Errno) error {
	text := fmt.Errorf("exec %s: %w", e.program, errno)
	err := fault.New(execCode(errno), "process.args[0]", text)
	switch errno {
	case unix.ENOENT:
		if file, interpreter := missingInterpreter(e.program); interpreter != "" {
			return fault.Hint(fault.New(fault.ExecInterp, "process.args[0]", text), interpreterHint(file, interpreter))
		}
	case unix.ENOEXEC:
		return fault.Hint(err, formatHint(readHead(e.program)))
	case unix.EACCES:
		return fault.Hint(err, "its interpreter, or a directory on the way to it, may not be executed by the process's user")
	}
	return err
}

// maxInterpreters is how many times the kernel goes from a script to its interpreter, which may be a script itself.
const maxInterpreters = 5

// missingInterpreter follows a program to the interpreter that is not there, and the file that asks for it.
func missingInterpreter(path string) (file, interpreter string) {
	for range maxInterpreters {
		interpreter = findInterpreter(readHead(path), path)
		var st unix.Stat_t
		if interpreter == "" || unix.Stat(interpreter, &st) != nil {
			return path, interpreter
		}
		path = interpreter
	}
	return "", ""
}

func interpreterHint(file, interpreter string) string {
	if strings.HasSuffix(interpreter, "\r") {
		return fmt.Sprintf("the #! line of %s ends with a carriage return, which counts as part of the interpreter's name", file)
	}
	return fmt.Sprintf("the interpreter %s of %s is not in the root filesystem", interpreter, file)
}

func execCode(errno unix.Errno) fault.Code {
	switch errno {
	case unix.ENOENT, unix.ENOTDIR:
		return fault.ExecNotFound
	case unix.ENOEXEC:
		return fault.ExecFormat
	case unix.EACCES, unix.EPERM:
		return fault.ExecDenied
	}
	return fault.Process
}

// headSize is enough for an ELF header with its program headers, and more than the kernel reads of a #! line.
const headSize = 4096

func readHead(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	head := make([]byte, headSize)
	n, err := unix.Read(fd, head)
	if err != nil {
		return nil
	}
	return head[:n]
}

// findInterpreter is the interpreter that the file asks for: of its #! line, or of its ELF header.
func findInterpreter(head []byte, path string) string {
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		// As the kernel does: blanks and tabs separate, and nothing else.
		name := strings.TrimLeft(string(line), " \t")
		if i := strings.IndexAny(name, " \t\x00"); i >= 0 {
			name = name[:i]
		}
		return name
	}
	return elfInterpreter(head, path)
}

// elfHeader is the part of an ELF header (elf(5)) that is looked at.
type elfHeader struct {
	order   binary.ByteOrder
	wide    bool // ELFCLASS64
	machine uint16
}

func parseELF(head []byte) (h elfHeader, ok bool) {
	if len(head) < 64 || !bytes.HasPrefix(head, []byte("\x7fELF")) {
		return h, false
	}
	h.order = binary.LittleEndian
	if head[5] == 2 {
		h.order = binary.BigEndian
	}
	h.wide = head[4] == 2
	h.machine = h.order.Uint16(head[18:])
	return h, true
}

// elfInterpreter reads the segment PT_INTERP.
func elfInterpreter(head []byte, path string) string {
	h, ok := parseELF(head)
	if !ok {
		return ""
	}
	var table uint64
	var size, count int
	if h.wide {
		table, size, count = h.order.Uint64(head[32:]), int(h.order.Uint16(head[54:])), int(h.order.Uint16(head[56:]))
	} else {
		table, size, count = uint64(h.order.Uint32(head[28:])), int(h.order.Uint16(head[42:])), int(h.order.Uint16(head[44:]))
	}
	for i := range count {
		at := table + uint64(i*size)
		if at+uint64(size) > uint64(len(head)) || size < 32 || h.wide && size < 56 {
			return ""
		}
		p := head[at:]
		if h.order.Uint32(p) != 3 {
			continue
		}
		if h.wide {
			return readString(path, int64(h.order.Uint64(p[8:])), int64(h.order.Uint64(p[32:])))
		}
		return readString(path, int64(h.order.Uint32(p[4:])), int64(h.order.Uint32(p[16:])))
	}
	return ""
}

func readString(path string, at, size int64) string {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil || size <= 0 || size > unix.PathMax {
		return ""
	}
	defer f.Close()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, at); err != nil {
		return ""
	}
	return string(bytes.TrimRight(b, "\x00"))
}

// machines names the architectures of ELF files by their number.
var machines = [...]struct {
	number uint16
	name   string
}{
	{3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {62, "amd64"}, {183, "arm64"},
	{243, "riscv64"}, {258, "loong64"},
}

func formatHint(head []byte) string {
	h, ok := parseELF(head)
	if !ok {
		if len(head) == 0 {
			return "the file is empty"
		}
		return "the file is neither an ELF binary nor a script with a #! line"
	}
	name := fmt.Sprintf("machine %d", h.machine)
	for _, m := range machines {
		if m.number == h.machine {
			name = m.name
		}
	}
	return fmt.Sprintf("the binary is built for %s, and this machine is %s", name, runtime.GOARCH)
}
