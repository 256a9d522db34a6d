package criu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// external says that a mount comes from the host. In the images it has a key in place of a content; a restore tells
// criu what the key means then.
func external(name, key string) string { return "mnt[" + name + "]:" + key }

// externalMounts finds the mounts of the container that criu cannot make anew: binds of the spec and what is mounted
// below them, cgroups without a cgroup namespace, and whatever else shows a part of a filesystem of which the
// container has no whole, as devices of the host in a user namespace.
func externalMounts(pid int, spec *specs.Spec, all []*mountinfo.Info) ([]string, error) {
	if !hasNamespace(spec, specs.MountNamespace) {
		return nil, nil
	}
	root, err := os.Open("/proc/" + strconv.Itoa(pid) + "/root")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m := &mounts{all: all, keys: map[int]string{}, spec: spec}
	m.binds(root)
	m.parts()
	var list []string
	for _, mount := range all {
		if key, ok := m.keys[mount.ID]; ok {
			list = append(list, external(mount.Mountpoint, key))
		}
	}
	return list, nil
}

// mountsOf are the mounts that a process sees.
func mountsOf(pid int) ([]*mountinfo.Info, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, nil)
}

// mounts are those of the container while keys are given to them.
type mounts struct {
	all  []*mountinfo.Info
	keys map[int]string // by mount ID
	spec *specs.Spec
}

// binds gives the binds of the spec their destinations as keys. The kernel tells which mount is there: a destination
// may lead over symbolic links.
func (m *mounts) binds(root *os.File) {
	for i := range m.spec.Mounts {
		if !isBind(&m.spec.Mounts[i]) {
			continue
		}
		key := keyOfMount(m.spec.Mounts[i].Destination)
		id, err := mountAt(root, key)
		if err != nil {
			continue // the container has removed it
		}
		for _, mount := range m.all {
			if mount.ID == id && mount.Mountpoint != "/" {
				m.keys[id] = key
				m.below(mount, key)
			}
		}
	}
}

// below gives keys to what is mounted below an external mount.
func (m *mounts) below(top *mountinfo.Info, key string) {
	for _, mount := range m.all {
		if mount.Parent == top.ID && m.keys[mount.ID] == "" {
			m.keys[mount.ID] = key + strings.TrimPrefix(mount.Mountpoint, top.Mountpoint)
			m.below(mount, m.keys[mount.ID])
		}
	}
}

// parts gives keys to what else is not the container's own.
func (m *mounts) parts() {
	whole := map[[2]int]bool{}
	for _, mount := range m.all {
		if mount.Root == "/" {
			whole[[2]int{mount.Major, mount.Minor}] = true
		}
	}
	shared := !hasNamespace(m.spec, specs.CgroupNamespace)
	for _, mount := range m.all {
		switch {
		case m.keys[mount.ID] != "", mount.Mountpoint == "/":
		case !whole[[2]int{mount.Major, mount.Minor}], shared && strings.HasPrefix(mount.FSType, "cgroup"):
			m.keys[mount.ID] = mount.Mountpoint
		}
	}
}

func hasNamespace(spec *specs.Spec, t specs.LinuxNamespaceType) bool {
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == t {
			return true
		}
	}
	return false
}

func isBind(m *specs.Mount) bool {
	for _, option := range m.Options {
		if option == "bind" || option == "rbind" {
			return true
		}
	}
	return m.Type == "bind"
}

func isRecursive(m *specs.Mount) bool {
	for _, option := range m.Options {
		if option == "rbind" {
			return true
		}
	}
	return false
}

// bindSource is the path on the host of what is bound.
func bindSource(m *specs.Mount, h *Host) string {
	if filepath.IsAbs(m.Source) {
		return m.Source
	}
	return filepath.Join(h.Bundle, m.Source)
}

func keyOfMount(destination string) string { return filepath.Clean("/" + destination) }

// mountAt is the ID of the mount that path leads to inside root (statx(2), STATX_MNT_ID, Linux 5.8).
func mountAt(root *os.File, path string) (int, error) {
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0, err
	}
	return int(st.Mnt_id), nil
}

// sources tells what the keys of external mounts mean on this host. Those that the images do not have do no harm.
func sources(spec *specs.Spec, h *Host) ([]string, error) {
	host, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var list []string
	add := func(key, source string) { list = append(list, external(key, source)) }
	for _, path := range devicePaths(spec) {
		add(path, path)
	}
	for _, path := range spec.Linux.MaskedPaths {
		add(keyOfMount(path), "/dev/null")
	}
	if h.Notify != "" {
		add(h.NotifyAt, h.Notify)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		key := keyOfMount(m.Destination)
		switch {
		case isBind(m):
			source := bindSource(m, h)
			add(key, source)
			if isRecursive(m) {
				addBelow(host, source, key, add)
			}
		case m.Type == "cgroup" || m.Type == "cgroup2":
			addCgroups(spec, h, key, add)
		}
	}
	return list, nil
}

// errBelow refuses what criu could not restore: in a user namespace the kernel lets nobody take a directory without the
// mounts in it (mount_namespaces(7)), and criu binds one mount after the other.
func errBelow(spec *specs.Spec, h *Host) error {
	if !hasNamespace(spec, specs.UserNamespace) {
		return nil
	}
	host, err := mountinfo.GetMounts(nil)
	if err != nil {
		return fault.New(fault.CRIU, "", fmt.Errorf("read mounts: %w", err))
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if !isBind(m) {
			continue
		}
		found := false
		addBelow(host, bindSource(m, h), "", func(string, string) { found = true })
		if found {
			return fault.New(fault.Unsupported, fmt.Sprintf("mounts[%d]", i), errors.New("criu cannot restore a directory with mounts in it into a user namespace"))
		}
	}
	return nil
}

// addBelow adds the mounts of the host below the source of a recursive bind.
func addBelow(host []*mountinfo.Info, source, key string, add func(key, source string)) {
	real, err := filepath.EvalSymlinks(source)
	if err != nil {
		return
	}
	for _, mount := range host {
		if rel, ok := strings.CutPrefix(mount.Mountpoint, strings.TrimSuffix(real, "/")+"/"); ok && rel != "" {
			add(key+"/"+rel, mount.Mountpoint)
		}
	}
}

// addCgroups adds the container's cgroup, which may be another than it was.
func addCgroups(spec *specs.Spec, h *Host, key string, add func(key, source string)) {
	for _, p := range h.Cgroup.Places {
		own := p.Mount + p.Path
		if len(p.Controllers) > 0 {
			add(key+"/"+filepath.Base(p.Mount), own)
			continue
		}
		if !hasNamespace(spec, specs.CgroupNamespace) {
			own = p.Mount
		}
		add(key, own)
	}
}

// devicePaths are the devices that every container has, and those of the spec: in a user namespace they are binds.
func devicePaths(spec *specs.Spec) []string {
	paths := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
	for _, d := range spec.Linux.Devices {
		paths = append(paths, keyOfMount(d.Path))
	}
	return paths
}
