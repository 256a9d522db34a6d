package cgroups

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Layout is how the host mounts its cgroup hierarchies.
type Layout int

// The layouts. A hybrid host, which has a v2 tree without controllers beside the v1 hierarchies, is V1.
const (
	V1 Layout = iota + 1
	V2
)

const (
	root   = "/sys/fs/cgroup"
	hybrid = root + "/unified"
)

var mode = sync.OnceValue(func() Layout {
	if filesystem(root) == unix.CGROUP2_SUPER_MAGIC {
		return V2
	}
	return V1
})

// Mode tells the host's layout: V2 if /sys/fs/cgroup is the v2 tree (cgroups(7)). It is asked once.
func Mode() Layout { return mode() }

// filesystem returns the magic number of the filesystem at path, 0 if there is none.
func filesystem(path string) int64 {
	var st unix.Statfs_t
	for {
		switch unix.Statfs(path, &st) {
		case nil:
			return int64(st.Type) //nolint:unconvert // another type on other architectures
		case unix.EINTR:
		default:
			return 0
		}
	}
}
