package cgroups

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// delegate returns the host's uid that is to own the container's v2 cgroup, nil if it stays the caller's. It is
// handed over if and only if the container gets a cgroup namespace and has the tree mounted writable (config-
// linux.md, "Cgroup ownership").
func delegate(spec *specs.Spec) *int {
	l := spec.Linux
	if l == nil || spec.Process == nil || !privateNamespace(l) || len(l.UIDMappings) == 0 {
		return nil
	}
	writable := slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
		return m.Source == "cgroup" && path.Clean(m.Destination) == root && !slices.Contains(m.Options, "ro")
	})
	if !writable {
		return nil
	}
	uid := spec.Process.User.UID
	for _, m := range l.UIDMappings {
		if uid >= m.ContainerID && uint64(uid) < uint64(m.ContainerID)+uint64(m.Size) {
			host := int(m.HostID + (uid - m.ContainerID))
			return &host
		}
	}
	return nil
}

// chownDelegated gives the cgroup, and the files that the kernel names as safe (cgroups(7), "Cgroup delegation"), to
// their new owner. The limits stay the runtime's.
func chownDelegated(dir string, uid int) error {
	list, err := readFile("/sys/kernel/cgroup/delegate")
	if err != nil {
		list = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads"
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		return err
	}
	for name := range strings.FieldsSeq(list) {
		if err := os.Chown(dir+"/"+name, uid, -1); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
