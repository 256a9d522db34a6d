package rig

import (
	"os"
	"os/user"
	"strconv"
	"strings"
)

// rootless adds what a container of a user without privileges needs: a user namespace. Where the user may map more
// than himself, the container has those IDs, too: scripts run processes as others than root.
func rootless(linux map[string]any) {
	linux["namespaces"] = append(linux["namespaces"].([]any), map[string]any{"type": "user"})
	linux["uidMappings"] = idMap("/etc/subuid", os.Geteuid())
	linux["gidMappings"] = idMap("/etc/subgid", os.Getegid())
}

// idMap maps root to the caller, and the IDs above to those that the file (subuid(5), subgid(5)) gives to him.
func idMap(file string, own int) []any {
	m := []any{map[string]any{"containerID": 0, "hostID": own, "size": 1}}
	me, err := user.Current()
	if err != nil {
		return m
	}
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) != 3 || fields[0] != me.Username && fields[0] != me.Uid {
			continue
		}
		first, firstErr := strconv.Atoi(fields[1])
		size, sizeErr := strconv.Atoi(fields[2])
		if firstErr == nil && sizeErr == nil {
			return append(m, map[string]any{"containerID": 1, "hostID": first, "size": size})
		}
	}
	return m
}
