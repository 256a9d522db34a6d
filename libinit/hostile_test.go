package libinit

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLinksStayInside has links in the image at the places of mounts. Each leads out of the root filesystem if it
// is taken as a path of the host.
func TestLinksStayInside(t *testing.T) {
	outside := hostDir(t)
	host := hostDir(t)
	for name, link := range map[string]string{
		"absolute":  outside,
		"dots":      "../../../../../../../../.." + outside,
		"two steps": "step",
		"dangling":  "/not/there/yet",
		"dots only": "../..",
	} {
		t.Run(name, func(t *testing.T) {
			root := rootDir(t, "proc/")
			for _, l := range [...][2]string{{"data", link}, {"step", outside}} {
				if err := os.Symlink(l[1], filepath.Join(root, l[0])); err != nil {
					t.Fatal(err)
				}
			}
			s := spec(root,
				mount("tmpfs", "tmpfs", "/data/dir"),
				mount("none", host+"/file", "/data/deep/new", "bind"),
				mount("none", host, "/data/dir/bound", "bind"))
			s.Linux.MaskedPaths = []string{"/data/deep"}
			s.Linux.ReadonlyPaths = []string{"/data/dir"}
			out := must(t, &job{Spec: s, Probe: "read", Args: []string{"/data/dir/bound/file"}})
			if out != "host" {
				t.Errorf("got %q", out)
			}
			entries, err := os.ReadDir(outside)
			if err != nil || len(entries) != 1 {
				t.Errorf("outside there is now %v, %v", entries, err)
			}
		})
	}
}

// TestLinkedDev has a /dev that leads out of the root filesystem.
func TestLinkedDev(t *testing.T) {
	outside := hostDir(t)
	root := rootDir(t, "proc/")
	if err := os.Symlink(outside, filepath.Join(root, "dev")); err != nil {
		t.Fatal(err)
	}
	s := spec(root)
	s.Linux.MaskedPaths = []string{"/proc/keys"}
	out := must(t, &job{Spec: s, Probe: "stat", Args: []string{"/dev/null"}})
	if !strings.HasPrefix(out, "/dev/null Dcrw-rw-rw- 0:0 1,3") {
		t.Errorf("got %s", out)
	}
	if _, err := os.Lstat(filepath.Join(outside, "null")); err == nil {
		t.Error("a device was made outside")
	}
}

// swap exchanges two names for as long as the test runs.
func swap(t *testing.T, a, b string) {
	t.Helper()
	var done atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !done.Load() {
			_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			runtime.Gosched()
		}
	}()
	t.Cleanup(func() {
		done.Store(true)
		<-ended
	})
}

// TestExchangedTargets makes mounts while their targets are exchanged for links that lead out (CVE-2021-30465).
// A mount may fail, but nothing may appear outside.
func TestExchangedTargets(t *testing.T) {
	outside := hostDir(t)
	host := hostDir(t)
	root := rootDir(t, "proc/", "dir/inner/", "dev/")
	link := filepath.Join(root, "link")
	if err := os.Symlink("../../../../../../../.."+outside, link); err != nil {
		t.Fatal(err)
	}
	devLink := filepath.Join(root, "devlink")
	if err := os.Symlink(outside, devLink); err != nil {
		t.Fatal(err)
	}
	swap(t, filepath.Join(root, "dir"), link)
	swap(t, filepath.Join(root, "dev"), devLink)
	s := spec(root,
		mount("tmpfs", "tmpfs", "/dir/inner/a"),
		mount("none", host, "/dir/b", "bind"),
		mount("none", host+"/file", "/dir/c/file", "bind"),
		mount("tmpfs", "tmpfs", "/dir"))
	s.Linux.MaskedPaths = []string{"/dir/b", "/dir/c/file"}
	done := 0
	for range 40 {
		if _, err := try(t, &job{Spec: s, Probe: "stat"}); err == nil {
			done++
		}
	}
	t.Logf("%d of 40 containers were made", done)
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 1 {
		t.Errorf("outside there is now %v, %v", entries, err)
	}
}

// TestRenamedProc renames the directory of /proc while the container is made. The procfs may end at another name,
// but never without its masks.
func TestRenamedProc(t *testing.T) {
	root := rootDir(t, "proc/", "other/", "dev/")
	swap(t, filepath.Join(root, "proc"), filepath.Join(root, "other"))
	s := spec(root, mount("proc", "proc", "/proc"), mount("tmpfs", "tmpfs", "/dev"))
	s.Linux.MaskedPaths = []string{"/proc/keys"}
	s.Linux.ReadonlyPaths = []string{"/proc/sys"}
	for range 40 {
		out, err := try(t, &job{Spec: s, Probe: "mountinfo"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, "/keys ") || !strings.Contains(out, "/sys ro,") {
			t.Fatalf("no mask:\n%s", out)
		}
	}
}

// TestSharedHost runs containers in a mount namespace whose mounts are all shared, as those of most hosts are. No
// mount of a container may reach it, except in a volume when rootfsPropagation is shared.
func TestSharedHost(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	for _, c := range []struct {
		propagation string
		noPivot     bool
		leak        bool
	}{{"", false, false}, {"private", false, false}, {"rslave", true, false}, {"shared", false, true}, {"rshared", true, true}, {"unbindable", false, false}} {
		t.Run(c.propagation, func(t *testing.T) {
			volume, root := t.TempDir(), rootDir(t, "proc/")
			before, after := make(chan string), make(chan string)
			failed := make(chan error, 1)
			go func() {
				defer close(failed)
				defer close(after)
				defer close(before)
				failed <- onSharedHost(volume, before, after, func() {
					s := spec(root, append(defaultMounts(), mount("none", volume, "/volume", "rbind", "rshared"), mount("tmpfs", "inner", "/volume/inner"))...)
					s.Linux.RootfsPropagation = c.propagation
					s.Linux.MaskedPaths = []string{"/proc/keys"}
					if _, err := try(t, &job{Spec: s, Options: Options{NoPivot: c.noPivot}, Probe: "stat"}); err != nil {
						t.Error(err)
					}
				})
			}()
			was, is := <-before, <-after
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
			leak := " / " + volume + "/inner "
			if got := strings.Contains(is, leak); got != c.leak {
				t.Errorf("the mount in the volume reached the host: %v, want %v", got, c.leak)
			}
			n := strings.Count(is, "\n")
			if c.leak {
				n--
			}
			if n != strings.Count(was, "\n") {
				t.Errorf("the host had\n%s\nand has\n%s", was, is)
			}
		})
	}
}

// onSharedHost runs do on a thread that has a mount namespace of its own, with shared mounts only, and tells what
// its mounts were before and after. The thread ends with it.
func onSharedHost(volume string, before, after chan<- string, do func()) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	for _, flags := range []uintptr{unix.MS_PRIVATE | unix.MS_REC, unix.MS_SHARED | unix.MS_REC} {
		if err := unix.Mount("", "/", "", flags, ""); err != nil {
			return err
		}
	}
	if err := unix.Mount("volume", volume, "tmpfs", 0, ""); err != nil {
		return err
	}
	if err := unix.Mount("", volume, "", unix.MS_SHARED, ""); err != nil {
		return err
	}
	read := func() (string, error) {
		b, err := os.ReadFile("/proc/thread-self/mountinfo")
		return string(b), err
	}
	was, err := read()
	if err != nil {
		return err
	}
	before <- was
	do()
	is, err := read()
	if err != nil {
		return err
	}
	after <- is
	return nil
}
