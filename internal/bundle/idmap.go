package bundle

import (
	"fmt"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// maxMappings is how many lines an ID map can have (user_namespaces(7), since Linux 4.15).
const maxMappings = 340

func idMaps(spec *specs.Spec, wrong report) {
	l, ns := spec.Linux, namespace(spec, specs.UserNamespace)
	for _, m := range []struct {
		field string
		list  []specs.LinuxIDMapping
	}{{"linux.uidMappings", l.UIDMappings}, {"linux.gidMappings", l.GIDMappings}} {
		switch {
		case len(m.list) > 0 && ns == nil:
			wrong(fault.Hint(known(m.field, "user namespace mappings specified, but user namespace isn't enabled in the config"),
				`add {"type": "user"} to linux.namespaces, or remove the mappings`))
		case len(m.list) == 0 && ns != nil && ns.Path == "":
			wrong(fault.Hint(bad(m.field, "a new user namespace needs ID mappings"),
				`map at least root, as [{"containerID": 0, "hostID": 100000, "size": 65536}]`))
		}
		mapping(m.field, m.list, wrong)
	}
	if ns == nil || ns.Path != "" || spec.Process == nil {
		return
	}
	mappedUser(l, &spec.Process.User, wrong)
}

// mapping checks one ID map: what the kernel would refuse with a bare EINVAL.
func mapping(field string, list []specs.LinuxIDMapping, wrong report) {
	if len(list) > maxMappings {
		wrong(bad(field, "%d mappings are more than the %d that the kernel takes", len(list), maxMappings))
		return
	}
	for i, m := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if m.Size == 0 {
			wrong(fault.Hint(bad(at+".size", "it must not be 0"), "it is how many IDs are mapped"))
			continue
		}
		if uint64(m.ContainerID)+uint64(m.Size) > math.MaxUint32 || uint64(m.HostID)+uint64(m.Size) > math.MaxUint32 {
			wrong(bad(at, "%d IDs from %d (container) and %d (host) on go beyond the last ID, %d", m.Size, m.ContainerID, m.HostID, uint32(math.MaxUint32-1)))
		}
		for j, o := range list[:i] {
			if overlap(m.ContainerID, m.Size, o.ContainerID, o.Size) || overlap(m.HostID, m.Size, o.HostID, o.Size) {
				wrong(fault.Hint(bad(at, "it overlaps with %s[%d]", field, j), "an ID can be mapped once, inside and outside"))
			}
		}
	}
}

func overlap(a, sizeA, b, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

// mappedUser refuses IDs that do not exist in the container.
func mappedUser(l *specs.Linux, u *specs.User, wrong report) {
	if !mapped(l.UIDMappings, u.UID) {
		wrong(unmapped("process.user.uid", u.UID, "linux.uidMappings"))
	}
	if !mapped(l.GIDMappings, u.GID) {
		wrong(unmapped("process.user.gid", u.GID, "linux.gidMappings"))
	}
	for i, gid := range u.AdditionalGids {
		if !mapped(l.GIDMappings, gid) {
			wrong(unmapped(fmt.Sprintf("process.user.additionalGids[%d]", i), gid, "linux.gidMappings"))
		}
	}
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
