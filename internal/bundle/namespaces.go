package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Namespaces are the types of namespaces that a configuration may have.
func Namespaces() []string {
	return []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
}

func namespaces(spec *specs.Spec) error {
	list := spec.Linux.Namespaces
	for i, ns := range list {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		if !slices.Contains(Namespaces(), string(ns.Type)) {
			return known(field+".type", "namespace {%q %q} does not exist; there are %s", ns.Type, ns.Path, strings.Join(Namespaces(), ", "))
		}
		if slices.ContainsFunc(list[:i], func(o specs.LinuxNamespace) bool { return o.Type == ns.Type }) {
			return known(field+".type", "malformed spec file: duplicated ns %q", ns.Type)
		}
		if ns.Path != "" && !filepath.IsAbs(ns.Path) {
			return bad(field+".path", "%q is not an absolute path", ns.Path)
		}
		if err := tooLong(field+".path", ns.Path, maxPath); err != nil {
			return err
		}
	}
	return nil
}

// namespace is the entry of a type, or nil.
func namespace(spec *specs.Spec, kind specs.LinuxNamespaceType) *specs.LinuxNamespace {
	for i := range spec.Linux.Namespaces {
		if ns := &spec.Linux.Namespaces[i]; ns.Type == kind {
			return ns
		}
	}
	return nil
}

// timeOffsets: time_namespaces(7) knows two clocks, and the offsets are set when the namespace is made.
func timeOffsets(spec *specs.Spec) error {
	const field = "linux.timeOffsets"
	if len(spec.Linux.TimeOffsets) == 0 {
		return nil
	}
	ns := namespace(spec, specs.TimeNamespace)
	if ns == nil {
		return bad(field, "time offsets need a time namespace in linux.namespaces")
	}
	if ns.Path != "" {
		return bad(field, "the offsets of a time namespace that is joined (%s) cannot be set", ns.Path)
	}
	for clock, o := range spec.Linux.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return bad(field, "unknown clock %q; allowed are monotonic and boottime", clock)
		}
		if o.Nanosecs >= 1e9 {
			return bad(fmt.Sprintf("%s.%s.nanosecs", field, clock), "%d is not below 1000000000", o.Nanosecs)
		}
	}
	return nil
}
