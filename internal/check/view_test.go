package check

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// tree makes a root filesystem in which links lead everywhere, and a secret beside it.
func tree(t *testing.T) (root, secret string) {
	t.Helper()
	top := t.TempDir()
	root, secret = filepath.Join(top, "root"), filepath.Join(top, "secret")
	for _, dir := range []string{"usr/bin", "etc", "proc", "data", "a/b/c"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"bin": "usr/bin", "out": "../secret", "far": secret, "up": "../../../../../../../../etc", "loop": "loop",
		"a/b/up": "../..", "usr/bin/sh": "/usr/bin/tool", "abs": "/etc/../bin/sh", "magic": "/proc/self/root/etc",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(root, "usr/bin/tool"), secret} {
		if err := os.WriteFile(name, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root, secret
}

func open(t *testing.T, root string) *view {
	t.Helper()
	v, err := newView(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

// TestLookupStaysInside has every way out of a root filesystem that a link can be.
func TestLookupStaysInside(t *testing.T) {
	root, secret := tree(t)
	v := open(t, root)
	v.cover("/proc", unseen)
	for _, c := range []struct {
		name, path    string
		err           error
		links, leaves bool
	}{
		{"/bin/sh", "/usr/bin/tool", nil, true, false},
		{"bin//sh", "/usr/bin/tool", nil, true, false},
		{"/abs", "/usr/bin/tool", nil, true, false},
		{"/usr/bin/tool", "/usr/bin/tool", nil, false, false},
		{"/", "/", nil, false, false},
		{"/a/b/up/etc", "/etc", nil, true, false},
		{"/out", "/secret", unix.ENOENT, true, true},
		{"/../secret", "/secret", unix.ENOENT, false, true},
		{"/up", "/etc", nil, true, true},
		{"/loop", "/loop", unix.ELOOP, true, false},
		{"/usr/bin/tool/x", "/usr/bin/tool/x", unix.ENOTDIR, false, false},
		{"/nope/deep/down", "/nope/deep/down", unix.ENOENT, false, false},
		{"/magic", "/proc/self/root/etc", errUnseen, true, false},
		{"/proc", "/proc", nil, false, false},
	} {
		at, err := v.lookup(c.name)
		if err == nil && at.fd != unseen {
			_ = unix.Close(at.fd)
		}
		if c.name == "/proc" { // there is nothing to be opened
			err = nil
		}
		if !errors.Is(err, c.err) && err != c.err || at.path != c.path || at.links != c.links || at.leaves != c.leaves {
			t.Errorf("%s: %+v, %v", c.name, at, err)
		}
	}
	// An absolute link to the secret is looked for inside.
	if at, err := v.lookup("/far"); err != unix.ENOENT || at.path != secret {
		t.Errorf("far: %+v, %v", at, err)
	}
}

// TestLookupSeesMounts goes through what covers directories and files.
func TestLookupSeesMounts(t *testing.T) {
	root, _ := tree(t)
	other := t.TempDir()
	if err := os.MkdirAll(filepath.Join(other, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/tool", filepath.Join(other, "link")); err != nil {
		t.Fatal(err)
	}
	v := open(t, root)
	fd, err := unix.Open(other, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	v.cover("/data", fd)
	for name, path := range map[string]string{"/data/inner": "/data/inner", "/data/link": "/usr/bin/tool", "/data/inner/../../bin": "/usr/bin"} {
		at, err := v.lookup(name)
		if err != nil || at.path != path {
			t.Fatalf("%s: %+v, %v", name, at, err)
		}
		_ = unix.Close(at.fd)
	}
	v.cover("/data/inner", unseen)
	if _, err := v.lookup("/data/inner/x"); !errors.Is(err, errUnseen) {
		t.Errorf("below a new filesystem: %v", err)
	}
	// A mount over all that hides the one in it.
	v.cover("/data", unseen)
	if len(v.mounts) != 1 {
		t.Errorf("mounts: %v", v.mounts)
	}
}
