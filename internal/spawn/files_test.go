package spawn

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever numbers the descriptors have here, they come in the order of Files, and no others come.
func TestFiles(t *testing.T) {
	needRoot(t)
	leaked, err := unix.Open("/", unix.O_RDONLY, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	dir := t.TempDir()
	var files []*os.File
	for i := range 4 {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	// Low numbers in another order than their places: duplicates of files at 3, 4, 5 may overwrite each other.
	order := []*os.File{files[3], files[0], nil, files[2], files[1], files[0], nil}
	for _, set := range []uintptr{0, unix.CLONE_NEWPID | unix.CLONE_NEWNS} {
		s := start(t, &Command{Files: slices.Clone(order), New: set})
		for i, f := range order {
			want := "/dev/null"
			if f != nil {
				want = f.Name()
			}
			if got := s.Files[3+i]; got != want {
				t.Errorf("descriptor %d is %s, want %s", 3+i, got, want)
			}
		}
		// Reading the links took one descriptor more at most.
		for i, got := range s.Files[3+len(order):] {
			if got != "" && !strings.HasPrefix(got, "anon_inode:") && !strings.HasPrefix(got, "/proc/") {
				t.Errorf("descriptor %d is open: %s", 3+len(order)+i, got)
			}
		}
		checkChild(t, s)
	}
}

// The three standard descriptors in a circle: each is in another's place.
func TestFilesInACircle(t *testing.T) {
	dir := t.TempDir()
	const n = 24
	var files [n]*os.File
	for i := range files {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	slices.SortFunc(files[:], func(a, b *os.File) int { return int(b.Fd()) - int(a.Fd()) })
	s := start(t, &Command{Files: slices.Clone(files[:])})
	for i := range 13 {
		if s.Files[3+i] != files[i].Name() {
			t.Errorf("descriptor %d is %s, want %s", 3+i, s.Files[3+i], files[i].Name())
		}
	}
	checkChild(t, s)
}
