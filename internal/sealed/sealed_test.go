package sealed

import (
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCopies(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	want := sum(t, "/proc/self/exe")
	for name, open := range map[string]func() (*os.File, error){
		"overlay": overlay,
		"memfd":   func() (*os.File, error) { return memfd(false) },
		"hidden":  func() (*os.File, error) { return memfd(true) },
	} {
		t.Run(name, func(t *testing.T) {
			f, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
			if got := sum(t, path); got != want {
				t.Error("copy differs from the binary")
			}
			for _, flags := range []int{os.O_WRONLY, os.O_RDWR | os.O_TRUNC} {
				w, err := os.OpenFile(path, flags, 0)
				if err != nil {
					continue
				}
				if _, err := w.Write([]byte("x")); err == nil {
					t.Errorf("flags %#x: copy can be written", flags)
				}
				_ = w.Close()
			}
			if got := sum(t, "/proc/self/exe"); got != want {
				t.Error("binary of the host was changed")
			}
			cmd := exec.Command(path, "-test.run=^$")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("execute copy: %v\n%s", err, out)
			}
		})
	}
}

// A process that executes a copy which it may not read cannot be traced by its equals.
func TestHidden(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	f, err := memfd(true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil || stat.Mode&0o777 != 0o111 {
		t.Errorf("mode %o, %v, want 111", stat.Mode&0o777, err)
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}
