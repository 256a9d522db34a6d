package libinit

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// elf makes the head of an ELF file with one program header, which asks for an interpreter.
func elf(class, order byte, machine uint16) []byte {
	b := make([]byte, 256)
	copy(b, "\x7fELF")
	b[4], b[5] = class, order
	var o binary.ByteOrder = binary.LittleEndian
	if order == 2 {
		o = binary.BigEndian
	}
	o.PutUint16(b[18:], machine)
	if class == 2 {
		o.PutUint64(b[32:], 64)
		o.PutUint16(b[54:], 56)
		o.PutUint16(b[56:], 1)
		o.PutUint32(b[64:], 3)
		o.PutUint64(b[72:], 200)
		o.PutUint64(b[96:], 8)
	} else {
		o.PutUint32(b[28:], 64)
		o.PutUint16(b[42:], 32)
		o.PutUint16(b[44:], 1)
		o.PutUint32(b[64:], 3)
		o.PutUint32(b[68:], 200)
		o.PutUint32(b[80:], 8)
	}
	copy(b[200:], "/lib/ld\x00")
	return b
}

func TestDiagnose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	for _, c := range []struct {
		content           []byte
		interpreter, hint string
	}{
		{nil, "", "empty"},
		{[]byte("echo"), "", "has no #! line"},
		{[]byte("#!/bin/x -a\n"), "/bin/x", "/bin/x is empty, or cannot be read"},
		{[]byte("#! \t/bin/x"), "/bin/x", "/bin/x is empty, or cannot be read"},
		{[]byte("#!\n"), "", "names no interpreter"},
		{[]byte("#!/bin/x\r\n"), "/bin/x\r", "/bin/x\r is empty, or cannot be read"},
		{elf(2, 1, 183), "/lib/ld", "built for arm64"},
		{elf(2, 2, 22), "/lib/ld", "built for s390x"},
		{elf(1, 1, 3), "/lib/ld", "built for 386"},
		{elf(1, 2, 9999), "/lib/ld", "built for machine 9999"},
	} {
		if err := os.WriteFile(path, c.content, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := findInterpreter(initFiles{}, c.content, path); got != c.interpreter {
			t.Errorf("%q: got %q, want %q", c.content, got, c.interpreter)
		}
		if got := formatHint(initFiles{}, path); !strings.Contains(got, c.hint) {
			t.Errorf("%q: got %q, want %q", c.content, got, c.hint)
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add(elf(2, 1, 62))
	f.Add(elf(1, 2, 8))
	f.Add([]byte("#!/bin/sh -e\n"))
	far := elf(2, 1, 62)
	copy(far[32:], "\xf0\xff\xff\xff\xff\xff\xff\xff") // a table at the end of all addresses
	f.Add(far)
	path := filepath.Join(f.TempDir(), "program")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
		_, _ = foresee(initFiles{}, path), formatHint(initFiles{}, path)
		head := b[:min(len(b), headSize)]
		i := findInterpreter(initFiles{}, head, path)
		if strings.Contains(i, "\x00") || isScript(head) && strings.ContainsAny(i, " \n") {
			t.Errorf("%q", i)
		}
	})
}
