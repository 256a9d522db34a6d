package bundle

import (
	"fmt"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// maxMappings is how many lines an ID map can have (user_namespaces(7), since Linux 4.15).
const maxMappings = 340

func idMaps(spec *specs.Spec) error {
	l, ns := spec.Linux, namespace(spec, specs.UserNamespace)
	for _, m := range []struct {
		field string
		list  []specs.LinuxIDMapping
	}{{"linux.uidMappings", l.UIDMappings}, {"linux.gidMappings", l.GIDMappings}} {
		switch {
		case len(m.list) > 0 && ns == nil:
			return known(m.field, "user namespace mappings specified, but user namespace isn't enabled in the config")
		case len(m.list) == 0 && ns != nil && ns.Path == "":
			return bad(m.field, "a new user namespace needs ID mappings")
		}
		if err := mapping(m.field, m.list); err != nil {
			return err
		}
	}
	if ns == nil || ns.Path != "" || spec.Process == nil {
		return nil
	}
	return mappedUser(l, &spec.Process.User)
}

// mapping checks one ID map: what the kernel would refuse with a bare EINVAL.
func mapping(field string, list []specs.LinuxIDMapping) error {
	if len(list) > maxMappings {
		return bad(field, "%d mappings are more than the %d that the kernel takes", len(list), maxMappings)
	}
	for i, m := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if m.Size == 0 {
			return bad(at+".size", "it must not be 0")
		}
		if uint64(m.ContainerID)+uint64(m.Size) > math.MaxUint32 || uint64(m.HostID)+uint64(m.Size) > math.MaxUint32 {
			return bad(at, "%d IDs from %d (container) and %d (host) on go beyond the last ID, %d", m.Size, m.ContainerID, m.HostID, uint32(math.MaxUint32-1))
		}
		for j, o := range list[:i] {
			if overlap(m.ContainerID, m.Size, o.ContainerID, o.Size) || overlap(m.HostID, m.Size, o.HostID, o.Size) {
				return bad(at, "it overlaps with %s[%d]", field, j)
			}
		}
	}
	return nil
}

func overlap(a, sizeA, b, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

// mappedUser refuses IDs that do not exist in the container.
func mappedUser(l *specs.Linux, u *specs.User) error {
	if !mapped(l.UIDMappings, u.UID) {
		return unmapped("process.user.uid", u.UID, "linux.uidMappings")
	}
	if !mapped(l.GIDMappings, u.GID) {
		return unmapped("process.user.gid", u.GID, "linux.gidMappings")
	}
	for i, gid := range u.AdditionalGids {
		if !mapped(l.GIDMappings, gid) {
			return unmapped(fmt.Sprintf("process.user.additionalGids[%d]", i), gid, "linux.gidMappings")
		}
	}
	return nil
}

func mapped(list []specs.LinuxIDMapping, id uint32) bool {
	for _, m := range list {
		if id >= m.ContainerID && uint64(id) < uint64(m.ContainerID)+uint64(m.Size) {
			return true
		}
	}
	return false
}

func unmapped(field string, id uint32, maps string) error {
	return fault.Hint(bad(field, "%d is not mapped in the container's user namespace", id), "map it in "+maps+", or take one that is mapped")
}
