package bundle

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// bad is an error about a field of the configuration.
func bad(field, format string, args ...any) error {
	return fault.New(fault.Config, field, fmt.Errorf(field+": "+format, args...))
}

// known is one with a text that other programs match. The field comes as a fact, not in the text.
func known(field, format string, args ...any) error {
	return fault.New(fault.Config, field, fmt.Errorf(format, args...))
}

// Validate checks what is not checked beside its use. Paths are absolute already, where the spec lets them be
// relative.
func Validate(spec *specs.Spec) error {
	for _, check := range []func(*specs.Spec) error{
		version, platform, root, mounts, process, hooks, annotations, namespaces, idMaps, timeOffsets, deviceRules, netDevices,
		intelRdt, paths,
	} {
		if err := check(spec); err != nil {
			return err
		}
	}
	return nil
}

// version takes every 1.x: what 1.x adds is optional, and what is not known is ignored (spec.md, config.md
// "Extensibility").
func version(spec *specs.Spec) error {
	const field = "ociVersion"
	if spec.Version == "" {
		return fault.Hint(bad(field, "it must not be empty"), `the version of the specification that the bundle follows, as "`+specs.Version+`"`)
	}
	major, rest, ok := strings.Cut(spec.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if _, err := strconv.ParseUint(minor, 10, 16); err != nil || !ok {
		return bad(field, "%q is not a version, as %q", spec.Version, specs.Version)
	}
	if major != strconv.Itoa(specs.VersionMajor) {
		return bad(field, "version %q is not supported: this runtime knows 1.0.0 to %s", spec.Version, specs.Version)
	}
	return nil
}

// platform refuses what is for other systems: it would be ignored.
func platform(spec *specs.Spec) error {
	for _, p := range []struct {
		field string
		set   bool
	}{
		{"solaris", spec.Solaris != nil}, {"windows", spec.Windows != nil}, {"vm", spec.VM != nil}, {"zos", spec.ZOS != nil},
		{"freebsd", spec.FreeBSD != nil}, {"process.commandLine", spec.Process != nil && spec.Process.CommandLine != ""},
		{"process.user.username", spec.Process != nil && spec.Process.User.Username != ""},
	} {
		if p.set {
			return bad(p.field, "it is for another system: this runtime is for Linux")
		}
	}
	return nil
}

func root(spec *specs.Spec) error {
	if spec.Root == nil {
		return bad("root", "it must not be empty")
	}
	if spec.Root.Path == "" {
		return bad("root.path", "it must not be empty")
	}
	return nil
}

func mounts(spec *specs.Spec) error {
	for i := range spec.Mounts {
		m, field := &spec.Mounts[i], "mounts["+strconv.Itoa(i)+"]"
		if m.Destination == "" {
			return bad(field+".destination", "it must not be empty")
		}
		for _, p := range []struct{ field, path string }{{".destination", m.Destination}, {".source", m.Source}} {
			if err := tooLong(field+p.field, p.path, maxPath); err != nil {
				return err
			}
		}
		if err := mapping(field+".uidMappings", m.UIDMappings); err != nil {
			return err
		}
		if err := mapping(field+".gidMappings", m.GIDMappings); err != nil {
			return err
		}
	}
	return nil
}

// paths checks the lengths of those that are not checked elsewhere.
func paths(spec *specs.Spec) error {
	l := spec.Linux
	for _, list := range []struct {
		field string
		paths []string
	}{{"linux.maskedPaths", l.MaskedPaths}, {"linux.readonlyPaths", l.ReadonlyPaths}} {
		for i, p := range list.paths {
			if err := tooLong(fmt.Sprintf("%s[%d]", list.field, i), p, maxPath); err != nil {
				return err
			}
		}
	}
	if err := tooLong("linux.cgroupsPath", l.CgroupsPath, maxPath); err != nil {
		return err
	}
	return tooLong("root.path", spec.Root.Path, maxPath)
}

// hookKinds are the kinds of hooks by their names in the configuration.
var hookKinds = []struct {
	name string
	of   func(*specs.Hooks) []specs.Hook
}{
	{"prestart", func(h *specs.Hooks) []specs.Hook { return h.Prestart }}, //nolint:staticcheck // deprecated, but of the spec
	{"createRuntime", func(h *specs.Hooks) []specs.Hook { return h.CreateRuntime }},
	{"createContainer", func(h *specs.Hooks) []specs.Hook { return h.CreateContainer }},
	{"startContainer", func(h *specs.Hooks) []specs.Hook { return h.StartContainer }},
	{"poststart", func(h *specs.Hooks) []specs.Hook { return h.Poststart }},
	{"poststop", func(h *specs.Hooks) []specs.Hook { return h.Poststop }},
}

// Hooks are the names of the kinds of hooks that a configuration may have.
func Hooks() []string {
	names := make([]string, len(hookKinds))
	for i, k := range hookKinds {
		names[i] = k.name
	}
	return names
}

func hooks(spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	for _, kind := range hookKinds {
		list := kind.of(spec.Hooks)
		for i := range list {
			if err := hook(fmt.Sprintf("hooks.%s[%d]", kind.name, i), &list[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func hook(field string, h *specs.Hook) error {
	if !filepath.IsAbs(h.Path) {
		return bad(field+".path", "%q is not an absolute path", h.Path)
	}
	if h.Timeout != nil && *h.Timeout <= 0 {
		return bad(field+".timeout", "%d is not allowed: it is in seconds, from 1 on", *h.Timeout)
	}
	for i, e := range h.Env {
		if !strings.Contains(e, "=") {
			return bad(fmt.Sprintf("%s.env[%d]", field, i), "invalid environment variable: missing '=' in %q", e)
		}
	}
	return nil
}

func annotations(spec *specs.Spec) error {
	if _, found := spec.Annotations[""]; found {
		return bad("annotations", "a key must not be empty")
	}
	return nil
}
