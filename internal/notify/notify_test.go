package notify

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func manager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, dir, text string) {
	t.Helper()
	c, err := net.Dial("unixgram", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func heard(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8192)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestRelay(t *testing.T) {
	// A directory whose sockets have too long a path for an address.
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	host := filepath.Join(short, "s")
	m := manager(t, host)
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil { // what a killed start leaves
		t.Fatal(err)
	}
	r, err := Listen(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("socket: %v, %v", info, err)
	}
	t.Chdir(dir) // the path from here is short
	dir = "."
	say(t, dir, "MAINPID=1\nFDSTORE=1")
	say(t, dir, "STATUS=starting\nMAINPID=1\n")
	say(t, dir, strings.Repeat("X_LONG=1\n", 1000))
	say(t, dir, "READY=1\nX_A=b")
	say(t, dir, "STATUS=late")
	if ready, err := r.Forward(42); err != nil || !ready {
		t.Fatalf("ready %t, %v", ready, err)
	}
	for _, want := range []string{"STATUS=starting", "READY=1\nX_A=b\nMAINPID=42"} {
		if got := heard(t, m); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	if ready, err := r.Forward(0); err != nil || ready {
		t.Fatalf("ready %t, %v", ready, err)
	}
	if got := heard(t, m); got != "STATUS=late" {
		t.Errorf("heard %q", got)
	}
	r.Close()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

func TestAddress(t *testing.T) {
	for text, ok := range map[string]bool{"/run/systemd/notify": true, "@abstract": true, "": false, "/": false, "relative": false, "@": false, "/" + strings.Repeat("x", 107): false} {
		if _, err := address(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"READY=1", "STATUS=a b\nMAINPID=1", "=\n\n", "X_=\x00", "READY=1\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		lines, ready := filter(message)
		text := strings.Join(lines, "\n")
		if ready && !strings.Contains("\n"+text+"\n", "\nREADY=1\n") {
			t.Errorf("ready without saying so: %q", text)
		}
		for _, bad := range []string{"MAINPID=", "FDSTORE", "NOTIFYACCESS="} {
			if strings.Contains("\n"+text, "\n"+bad) {
				t.Errorf("%q passes", text)
			}
		}
	})
}
