package libinit

import (
	"bytes"
	"strings"
	"testing"

	"mydocker/internal/wire"
)

// What comes over the socket is refused, or is a plan whose encoding is stable.
func FuzzPlan(f *testing.F) {
	s := spec("/root", defaultMounts()...)
	s.Linux.MaskedPaths = []string{"/proc/keys"}
	plan, err := NewPlan(&s, &Options{Bundle: "/bundle"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plan.Encode())
	f.Add([]byte{})
	f.Add([]byte{2, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		plan, err := Decode(b)
		if err != nil {
			return
		}
		for _, step := range plan {
			_ = step.Step.String()
		}
		once := plan.Encode()
		again, err := Decode(once)
		// The order of maps is free: the length is not.
		if err != nil || len(again.Encode()) != len(once) {
			t.Errorf("a plan of %d steps came back as one of %d, %v", len(plan), len(again), err)
		}
	})
}

// What init reports, by the socket and by the FIFO of start, is hostile if the container is.
func FuzzFailure(f *testing.F) {
	f.Add(wire.Marshal(nil, Failure{Text: "text", Code: "E_MOUNT", Field: "mounts[0]", Hint: "hint", Errno: 2}))
	f.Add(wire.Marshal(nil, Failure{Errno: 1 << 31}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var failure Failure
		if wire.Unmarshal(b, &failure) != nil {
			return
		}
		if err := failure.Error(); err == nil || !strings.Contains(err.Error(), failure.Text) {
			t.Errorf("%+v became %v", failure, err)
		}
		var again Failure
		if err := wire.Unmarshal(wire.Marshal(nil, failure), &again); err != nil || again != failure {
			t.Errorf("%+v came back as %+v, %v", failure, again, err)
		}
	})
}

func FuzzCgroups(f *testing.F) {
	f.Add([]byte("12:cpu,cpuacct:/docker/a:b\n2:name=systemd:/\n0::/user.slice\n\nbroken\n"))
	f.Add([]byte(":::\n::\n:\n1:a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, h := range parseCgroups(string(b)) {
			if len(h.names) == 0 || strings.Contains(h.path, "\n") || !bytes.Contains(b, []byte(h.path)) {
				t.Errorf("%q", h)
			}
			_ = h.directory()
		}
	})
}
