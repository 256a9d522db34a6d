package scm_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mydocker/internal/scm"
)

func TestSend(t *testing.T) {
	long := strings.Repeat("d", 120)
	for name, dir := range map[string]string{"short": ".", "long": long} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), dir)
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Chdir(path)
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: "s", Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			sent := make(chan error, 1)
			go func() { sent <- scm.Send(filepath.Join(path, "s"), []byte("ptmx"), os.Stdin) }()
			conn, err := listener.AcceptUnix()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			body, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
			n, oobn, _, _, err := conn.ReadMsgUnix(body, oob)
			if err != nil || string(body[:n]) != "ptmx" || oobn == 0 {
				t.Errorf("received %q and %d bytes of rights, %v", body[:n], oobn, err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNobody(t *testing.T) {
	err := scm.Send(filepath.Join(t.TempDir(), "nobody"), nil, os.Stdin)
	if err == nil || !strings.Contains(err.Error(), "nobody: no such file or directory") {
		t.Errorf("error %v", err)
	}
}
