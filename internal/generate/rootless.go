package generate

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Rootless changes a configuration so that a user without privileges can run it: a user namespace in which root is
// the user, no resources, the host's network, and no group that is not mapped.
func Rootless(spec *specs.Spec, uid, gid uint32) {
	l := spec.Linux
	l.Namespaces = slices.DeleteFunc(l.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.NetworkNamespace || ns.Type == specs.UserNamespace
	})
	l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	l.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}}
	l.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: gid, Size: 1}}
	l.Resources = nil
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		m.Options = slices.DeleteFunc(m.Options, func(o string) bool {
			return strings.HasPrefix(o, "uid=") || strings.HasPrefix(o, "gid=")
		})
		// A sysfs shows a network namespace: who does not own that cannot mount it.
		if m.Type == "sysfs" {
			*m = hostSys(m.Destination)
		}
	}
}

func hostSys(destination string) specs.Mount {
	return specs.Mount{
		Destination: destination, Type: "none", Source: "/sys",
		Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"},
	}
}
