//go:build !race

package seccomp

import "testing"

// Each allocation is paid at every start of a container.
func TestAllocations(t *testing.T) {
	p := docker(t)
	n := testing.AllocsPerRun(10, func() {
		if _, err := Compile(p, "amd64"); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations", n)
	if n > 40 {
		t.Errorf("%.0f allocations", n)
	}
}
