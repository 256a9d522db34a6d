package spawn

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func BenchmarkStart(b *testing.B) {
	path, err := exec.LookPath("true")
	if err != nil {
		b.Skip("needs true")
	}
	exe, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer exe.Close()
	for _, set := range []uintptr{0, unix.CLONE_NEWPID, later &^ unix.CLONE_NEWNET, later} {
		b.Run(flagNames(set), func(b *testing.B) {
			for b.Loop() {
				c := Command{Exe: exe, Args: []string{"true"}, Files: []*os.File{nil, nil, nil}, New: set}
				p, err := c.Start()
				if err != nil {
					b.Fatal(err)
				}
				p.Reap()
				_ = p.Pidfd.Close()
			}
		})
	}
	b.Run("os/exec", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command(path).Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
