package rig

import (
	"os"
	"os/user"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// userNamespace is what the document of a container of a user without privileges has, beside what the script sets: as the
// last of the namespaces, so that it changes no index.
func userNamespace() map[string]any { return map[string]any{"type": "user"} }

// addUser adds to a document, before it is written, what makes it a user's. Where the user may map more than himself,
// the container has those IDs, too: scripts run processes as others than root.
func addUser(config any) {
	linux, ok := linuxOf(config)
	if !ok {
		return
	}
	namespaces, ok := linux["namespaces"].([]any)
	if !ok {
		return
	}
	linux["namespaces"] = append(slices.Clone(namespaces), userNamespace())
	for key, m := range map[string][]any{"uidMappings": idMap("/etc/subuid", os.Geteuid()), "gidMappings": idMap("/etc/subgid", os.Getegid())} {
		if linux[key] == nil {
			linux[key] = m
		}
	}
}

// removeUser takes back what addUser has added.
func removeUser(config any) {
	if linux, ok := linuxOf(config); ok {
		if namespaces, ok := linux["namespaces"].([]any); ok && len(namespaces) > 0 && reflect.DeepEqual(namespaces[len(namespaces)-1], any(userNamespace())) {
			linux["namespaces"] = namespaces[:len(namespaces)-1]
		}
	}
}

func linuxOf(config any) (map[string]any, bool) {
	if os.Geteuid() == 0 {
		return nil, false
	}
	document, _ := config.(map[string]any)
	linux, ok := document["linux"].(map[string]any)
	return linux, ok
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
