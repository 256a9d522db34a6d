package container

import (
	"fmt"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/spawn"
	"mydocker/libinit"
)

// idmaps are user namespaces made for id-mapped mounts, by their maps: mounts often share one.
type idmaps map[string]*os.File

// idmap is the user namespace whose maps the mount gets, or nil for a mount without.
func (b *creation) idmap(mount int) (*os.File, error) {
	if !libinit.NeedsIDMap(b.spec, mount) {
		return nil, nil
	}
	m := &b.spec.Mounts[mount]
	if len(m.UIDMappings) == 0 && len(m.GIDMappings) == 0 {
		return b.ownUserNamespace()
	}
	return b.userNamespace(m.UIDMappings, m.GIDMappings)
}

// ownUserNamespace is that of init.
func (b *creation) ownUserNamespace() (*os.File, error) {
	const own = "own"
	if f := b.idmaps[own]; f != nil {
		return f, nil
	}
	f, err := os.Open("/proc/" + strconv.Itoa(b.init.Pid) + "/ns/user")
	return b.idmaps.keep(own, f, err)
}

func (b *creation) userNamespace(uids, gids []specs.LinuxIDMapping) (*os.File, error) {
	key := fmt.Sprint(uids, gids)
	if f := b.idmaps[key]; f != nil {
		return f, nil
	}
	f, err := spawn.UserNamespace(uids, gids)
	return b.idmaps.keep(key, f, err)
}

func (m idmaps) keep(key string, f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	m[key] = f
	return f, nil
}

func (m idmaps) close() {
	for _, f := range m {
		_ = f.Close()
	}
}
