package entry_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"mydocker/internal/entry"
)

// The limit of a child is set by a shell: it must be what the child's copy of the package saw, whatever package os did.
func TestOriginal(t *testing.T) {
	if os.Getenv("ENTRY_CHILD") != "" {
		cur, hard := entry.OpenFiles()
		fmt.Printf("%d %d\n", cur, hard)
		os.Exit(0)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 45 && ulimit -Hn 123 && exec "$0" -test.run=TestOriginal`, os.Args[0])
	cmd.Env = append(os.Environ(), "ENTRY_CHILD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := string(out); got != "45 123\n" {
		t.Errorf("limits of a child: %q, want 45 123", got)
	}
}
