package libinit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestDevices(t *testing.T) {
	root := rootDir(t, "proc/", "dev/null", "dev/zero")
	mode := os.FileMode(0o640)
	uid, gid := uint32(3), uint32(4)
	s := spec(root)
	s.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/dev/loop", Type: "b", Major: 7, Minor: 1, FileMode: &mode},
		{Path: "/dev/pipe", Type: "p", FileMode: &mode},
		{Path: "/dev/full", Type: "u", Major: 1, Minor: 7, FileMode: &mode},
	}
	args := []string{
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/net/tun", "/dev/loop", "/dev/pipe",
		"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx",
	}
	want := `/dev/null Dcrw-rw-rw- 0:0 1,3
/dev/zero Dcrw-rw-rw- 0:0 1,5
/dev/full Dcrw-r----- 0:0 1,7
/dev/random Dcrw-rw-rw- 0:0 1,8
/dev/urandom Dcrw-rw-rw- 0:0 1,9
/dev/tty Dcrw-rw-rw- 0:0 5,0
/dev/net/tun Dcrw-r----- 3:4 10,200
/dev/loop Drw-r----- 0:0 7,1
/dev/pipe prw-r----- 0:0 0,0
/dev/fd Lrwxrwxrwx 0:0 0,0
/dev/stdin Lrwxrwxrwx 0:0 0,0
/dev/stdout Lrwxrwxrwx 0:0 0,0
/dev/stderr Lrwxrwxrwx 0:0 0,0
/dev/ptmx Lrwxrwxrwx 0:0 0,0`
	for range 2 { // the second time they are there already
		if out := must(t, &job{Spec: s, Probe: "stat", Args: args}); out != want {
			t.Errorf("got\n%s\nwant\n%s", out, want)
		}
	}
}

// TestBoundDev leaves a /dev of the host alone.
func TestBoundDev(t *testing.T) {
	host := hostDir(t)
	s := spec(rootDir(t, "proc/"), mount("none", host, "/dev/", "rbind"))
	if out := must(t, &job{Spec: s, Probe: "ls", Args: []string{"/dev"}}); out != "file" {
		t.Errorf("/dev has %q", out)
	}
}

func TestMaskRefusesAFalseNull(t *testing.T) {
	host := hostDir(t)
	root := rootDir(t, "proc/", "secret")
	s := spec(root, mount("none", host, "/dev", "rbind"))
	s.Linux.MaskedPaths = []string{"/secret"}
	if err := os.Symlink("/secret", filepath.Join(host, "null")); err != nil {
		t.Fatal(err)
	}
	if _, err := try(t, &job{Spec: s, Probe: "stat"}); err == nil || !strings.Contains(err.Error(), errNotNull.Error()) {
		t.Errorf("got %v", err)
	}
}
