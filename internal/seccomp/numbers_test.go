package seccomp_test

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/seccomp"
)

// The numbers come from following the program.
func TestNumbers(t *testing.T) {
	f, err := seccomp.Compile(&specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write"}, Action: specs.ActAllow},
			{Names: []string{"getpid"}, Action: specs.ActLog},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Value: 8, Op: specs.OpEqualTo}}},
		},
	}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	n := f.Numbers()
	if n.Instructions != f.Len() || n.Longest < 5 || n.Longest >= n.Instructions || len(n.Archs) != 2 {
		t.Errorf("%+v", n)
	}
	for _, a := range n.Archs {
		if a.Allowed != 4 || a.Conditional != 1 || a.Known < 300 || a.Name != "X86" && a.Name != "X86_64" {
			t.Errorf("%+v", a)
		}
	}
	b, err := json.Marshal(f)
	if err != nil || !strings.Contains(string(b), `"instructions":`) || strings.Contains(string(b), "Program") {
		t.Errorf("%s %v", b, err)
	}
}
