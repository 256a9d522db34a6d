package bundle

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// Namespaces are the types of namespaces that a configuration may have.
func Namespaces() []string {
	return []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
}

func namespaces(spec *specs.Spec, wrong report) {
	list := spec.Linux.Namespaces
	for i, ns := range list {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		if !slices.Contains(Namespaces(), string(ns.Type)) {
			wrong(fault.Expect("one of "+strings.Join(Namespaces(), ", "),
				known(field+".type", "namespace {%q %q} does not exist; there are %s", ns.Type, ns.Path, strings.Join(Namespaces(), ", "))))
		}
		if slices.ContainsFunc(list[:i], func(o specs.LinuxNamespace) bool { return o.Type == ns.Type }) {
			wrong(fault.Hint(known(field+".type", "malformed spec file: duplicated ns %q", ns.Type), "remove one of the two"))
		}
		if ns.Path != "" && !filepath.IsAbs(ns.Path) {
			wrong(fault.Expect("an absolute path, as /proc/PID/ns/net", bad(field+".path", "%q is not an absolute path", ns.Path)))
		}
		tooLong(field+".path", ns.Path, maxPath, wrong)
	}
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
func timeOffsets(spec *specs.Spec, wrong report) {
	const field = "linux.timeOffsets"
	if len(spec.Linux.TimeOffsets) == 0 {
		return
	}
	switch ns := namespace(spec, specs.TimeNamespace); {
	case ns == nil:
		wrong(fault.Hint(bad(field, "time offsets need a time namespace in linux.namespaces"), `add {"type": "time"} to linux.namespaces`))
	case ns.Path != "":
		wrong(fault.Hint(bad(field, "the offsets of a time namespace that is joined (%s) cannot be set", ns.Path), "remove the offsets, or the path of the namespace"))
	}
	for _, clock := range slices.Sorted(maps.Keys(spec.Linux.TimeOffsets)) {
		if clock != "monotonic" && clock != "boottime" {
			wrong(fault.Expect("monotonic or boottime", bad(field, "unknown clock %q; allowed are monotonic and boottime", clock)))
		}
		if n := spec.Linux.TimeOffsets[clock].Nanosecs; n >= 1e9 {
			wrong(fault.Hint(bad(fmt.Sprintf("%s.%s.nanosecs", field, clock), "%d is not below 1000000000", n), "whole seconds go into secs"))
		}
	}
}
