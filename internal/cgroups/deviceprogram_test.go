package cgroups

import (
	"fmt"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// machine runs the instructions that our programs are made of.
func machine(t *testing.T, program []instruction, kind, access, major, minor uint32) bool {
	t.Helper()
	ctx := map[int16]uint32{0: access<<16 | kind, 4: major, 8: minor}
	var r [10]uint32
	for at := 0; at < len(program); at++ {
		i := program[at]
		to, from := i.registers&15, i.registers>>4
		switch i.code {
		case loadWord:
			r[to] = ctx[i.offset]
		case move:
			r[to] = r[from]
		case set:
			r[to] = uint32(i.constant)
		case shiftRight:
			r[to] >>= uint32(i.constant)
		case mask:
			r[to] &= uint32(i.constant)
		case jumpEqual, jumpNotEqual:
			if (r[to] == uint32(i.constant)) == (i.code == jumpEqual) {
				at += int(i.offset)
			}
		case exitProgram:
			return r[inAnswer] != 0
		default:
			t.Fatalf("instruction %+v", i)
		}
	}
	t.Fatal("program has no end")
	return false
}

// allows is what the rules say.
func (s *ruleset) allows(d node, a access) bool {
	for _, e := range s.exceptions {
		switch {
		case !e.covers(d):
		case !s.allow && a&^e.access == 0:
			return true
		case s.allow && a&e.access != 0:
			return false
		}
	}
	return s.allow
}

func TestDeviceProgram(t *testing.T) {
	device := func(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
		return specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Major: &major, Minor: &minor, Access: access}
	}
	devices := []node{{'c', 1, 3}, {'c', 1, 11}, {'b', 8, 0}, {'b', 8, 1}, {'c', 136, 7}, {'c', 10, 200}, {'b', 1<<32 - 1, 3}}
	for name, given := range map[string][]specs.LinuxDeviceCgroup{
		"defaults":   denyEverything,
		"everything": {{Allow: true, Access: "rwm"}},
		"some":       append(slices.Clip(denyEverything), device(true, "b", 8, wildcard, "r"), device(true, "c", 10, 200, "rw"), device(true, "b", wildcard, 3, "w")),
		"all but":    {{Allow: true, Access: "rwm"}, device(false, "b", 8, wildcard, "wm"), device(false, "c", 1, 11, "rwm")},
	} {
		rules, err := mergeRules(given)
		if err != nil {
			t.Fatal(err)
		}
		program := rules.program()
		fd, err := loadProgram(program)
		switch {
		case err == nil:
			_ = unix.Close(fd)
		case unix.Geteuid() == 0:
			t.Errorf("%s: the kernel refuses the program: %v", name, err)
		}
		for _, d := range devices {
			kind := uint32(unix.BPF_DEVCG_DEV_CHAR)
			if d.kind == 'b' {
				kind = unix.BPF_DEVCG_DEV_BLOCK
			}
			for a := access(1); a <= fullAccess; a++ {
				got := machine(t, program, kind, uint32(a.program()), uint32(d.major), uint32(d.minor))
				if want := rules.allows(d, a); got != want {
					t.Errorf("%s: %v of %s: %v, want %v", name, d, a, got, want)
				}
			}
		}
	}
}

// A change of the rules replaces the program: two would both have to allow an access.
func TestV2Replace(t *testing.T) {
	if !inV2(t) {
		return
	}
	c := newTest(t, &specs.LinuxResources{Devices: denyEverything})
	if err := c.Set(); err != nil {
		t.Fatal(err)
	}
	dir, err := open(c.main().dir(), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	for range 3 {
		loaded, err := Load(c.Saved())
		if err != nil {
			t.Fatal(err)
		}
		if err := loaded.Update(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}}); err != nil {
			t.Fatal(err)
		}
		programs, err := ownPrograms(dir)
		if err != nil || len(programs) != 1 {
			t.Errorf("%d programs, %v; want 1", len(programs), err)
		}
		for _, fd := range programs {
			_ = unix.Close(fd)
		}
	}
}

func TestSystemdDevices(t *testing.T) {
	rules, err := mergeRules(denyEverything)
	if err != nil {
		t.Fatal(err)
	}
	p := rules.properties()
	got := fmt.Sprintf("%v %v %v %v", p[0].Value.Value(), p[1].Value.Value(), p[2].Value.Value(), p[2].Value.Signature())
	want := "strict [] [{/dev/char/1:3 rwm} {/dev/char/1:5 rwm} {/dev/char/1:7 rwm} {/dev/char/1:8 rwm} {/dev/char/1:9 rwm} {/dev/char/5:0 rwm} " +
		"{/dev/char/5:1 rwm} {/dev/char/5:2 rwm} {char-pts rwm} {block-* m} {char-* m}] a(ss)"
	if got != want {
		t.Errorf("properties:\n%s\nwant\n%s", got, want)
	}
	if everything := (&ruleset{allow: true}).properties(); len(everything) != 3 || everything[0].Value.String() != `"auto"` {
		t.Errorf("properties of everything: %v", everything)
	}
}
