package libinit

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMountOptionsTable(t *testing.T) {
	names := MountOptions()
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			t.Errorf("%s is not in order", names[i])
		}
	}
	for _, name := range names {
		if o := findOption(name); o.name != name {
			t.Errorf("%s is not found", name)
		}
	}
}

func FuzzMountOptions(f *testing.F) {
	f.Add("ro,nosuid,mode=755")
	f.Add("rbind,rro,rrw,,rslave,ridmap")
	f.Fuzz(func(t *testing.T, text string) {
		options := strings.Split(text, ",")
		m := parseMountOptions(options)
		if m.set&m.clear&^unix.MOUNT_ATTR__ATIME != 0 || m.recSet&m.recClear&^unix.MOUNT_ATTR__ATIME != 0 || m.super&m.superNot != 0 {
			t.Errorf("%q: set and cleared: %+v", text, m)
		}
		for _, d := range m.data {
			if d == "" || findOption(d).name != "" {
				t.Errorf("%q: %q goes to the filesystem", text, d)
			}
		}
		// What is given twice means the same.
		again := parseMountOptions(append(options, options...))
		if m.set != again.set || m.recSet != again.recSet || m.super != again.super {
			t.Errorf("%q: %+v, twice %+v", text, m, again)
		}
	})
}
