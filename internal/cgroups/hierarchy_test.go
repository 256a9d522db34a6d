package cgroups

import (
	"strings"
	"testing"
)

func FuzzOwn(f *testing.F) {
	f.Add("4:memory:/a:b\n3:cpu,cpuacct:/\n0::/x\nbroken\n1:x:relative\n")
	f.Add(":\n::\n:::/")
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range parseOwn(text) {
			if !strings.HasPrefix(h.own, "/") || strings.Contains(h.own, "\n") {
				t.Errorf("%+v", h)
			}
		}
	})
}

func FuzzMounts(f *testing.F) {
	f.Add("25 20 0:22 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n26 20 0:23 /a\\040b /c rw shared:3 - cgroup cgroup rw,memory\n")
	f.Add(" - cgroup\n - cgroup a b\n1 2 3 4 5 - cgroupx a b")
	f.Fuzz(func(t *testing.T, text string) {
		for _, h := range parseMounts(text) {
			if h.Mount == "" || h.Path == "" || !strings.Contains(text, " - cgroup") {
				t.Errorf("%+v", h)
			}
		}
	})
}
