package libinit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

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
func elfInterpreter(files Files, head []byte, path string) string {
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
		if at > uint64(len(head)) || uint64(len(head))-at < uint64(size) || size < 32 || h.wide && size < 56 {
			return ""
		}
		p := head[at:]
		if h.order.Uint32(p) != 3 {
			continue
		}
		if h.wide {
			return readString(files, path, int64(h.order.Uint64(p[8:])), int64(h.order.Uint64(p[32:])))
		}
		return readString(files, path, int64(h.order.Uint32(p[4:])), int64(h.order.Uint32(p[16:])))
	}
	return ""
}

func readString(files Files, path string, at, size int64) string {
	if at < 0 || size <= 0 || size > unix.PathMax {
		return ""
	}
	fd, err := files.Open(path)
	if err != nil {
		return ""
	}
	defer closeFd(fd)
	b := make([]byte, size)
	if n, err := unix.Pread(fd, b, at); err != nil || n < len(b) {
		return ""
	}
	// As the kernel does: a name without an end is none, and one with several ends at the first.
	name, _, ended := bytes.Cut(b, []byte{0})
	if !ended || b[size-1] != 0 {
		return ""
	}
	return string(name)
}

// machines names the architectures of ELF files by their number.
var machines = [...]struct {
	number uint16
	name   string
}{
	{3, "386"}, {8, "mips"}, {20, "ppc"}, {21, "ppc64"}, {22, "s390x"}, {40, "arm"}, {62, "amd64"}, {183, "arm64"},
	{243, "riscv64"}, {258, "loong64"},
}

func (h *elfHeader) name() string {
	for _, m := range machines {
		if m.number == h.machine {
			return m.name
		}
	}
	return fmt.Sprintf("machine %d", h.machine)
}

// native tells whether this machine executes the file by itself: a 64-bit one takes its 32-bit forerunner's, too, as
// most kernels are built.
func (h *elfHeader) native() bool {
	switch name := h.name(); runtime.GOARCH {
	case "amd64":
		return name == "amd64" || name == "386"
	case "arm64":
		return name == "arm64" || name == "arm"
	default:
		return name == runtime.GOARCH
	}
}
