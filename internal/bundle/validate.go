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

// report takes what is wrong, nil too. To go on after the first costs nothing where there is none.
type report func(error)

// first returns the first error that look reports.
func first(look func(report)) (err error) {
	look(func(e error) {
		if err == nil {
			err = e
		}
	})
	return err
}

// Validate checks what is not checked beside its use, and returns the first error of Problems. Paths are absolute
// already, where the spec lets them be relative.
func Validate(spec *specs.Spec) error {
	return first(func(r report) { validate(spec, r) })
}

// Problems are all errors of which Validate returns the first.
func Problems(spec *specs.Spec) (all []error) {
	validate(spec, func(err error) {
		if err != nil {
			all = append(all, err)
		}
	})
	return all
}

func validate(spec *specs.Spec, wrong report) {
	for _, check := range []func(*specs.Spec, report){
		version, platform, root, mounts, process, hooks, annotations, namespaces, idMaps, timeOffsets, deviceRules, netDevices,
		intelRdt, paths,
	} {
		check(spec, wrong)
	}
}

// version takes every 1.x: what 1.x adds is optional, and what is not known is ignored (spec.md, config.md
// "Extensibility").
func version(spec *specs.Spec, wrong report) {
	const field = "ociVersion"
	major, rest, ok := strings.Cut(spec.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	_, err := strconv.ParseUint(minor, 10, 16)
	switch {
	case spec.Version == "":
		err = bad(field, "it must not be empty")
	case err != nil || !ok:
		err = bad(field, "%q is not a version, as %q", spec.Version, specs.Version)
	case major != strconv.Itoa(specs.VersionMajor):
		err = bad(field, "version %q is not supported: this runtime knows 1.0.0 to %s", spec.Version, specs.Version)
	default:
		return
	}
	wrong(fault.Hint(fault.Expect("a version from 1.0.0 to "+specs.Version, err),
		`give the version of the specification that the bundle follows, as "`+specs.Version+`"`))
}

// platform refuses what is for other systems: it would be ignored.
func platform(spec *specs.Spec, wrong report) {
	for _, p := range []struct {
		field string
		set   bool
	}{
		{"solaris", spec.Solaris != nil}, {"windows", spec.Windows != nil}, {"vm", spec.VM != nil}, {"zos", spec.ZOS != nil},
		{"freebsd", spec.FreeBSD != nil}, {"process.commandLine", spec.Process != nil && spec.Process.CommandLine != ""},
		{"process.user.username", spec.Process != nil && spec.Process.User.Username != ""},
	} {
		if p.set {
			wrong(fault.Hint(bad(p.field, "it is for another system: this runtime is for Linux"), "remove it"))
		}
	}
}

func root(spec *specs.Spec, wrong report) {
	if spec.Root == nil {
		wrong(fault.Hint(bad("root", "it must not be empty"), `add "root": {"path": "rootfs"}, the directory of the root filesystem in the bundle`))
		return
	}
	if spec.Root.Path == "" {
		wrong(fault.Hint(bad("root.path", "it must not be empty"), "give the directory of the root filesystem, absolute or below the bundle"))
	}
}

func mounts(spec *specs.Spec, wrong report) {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Destination != "" && max(len(m.Destination), len(m.Source)) <= maxPath && len(m.UIDMappings)+len(m.GIDMappings) == 0 {
			continue // the name of the field costs, and there are many
		}
		field := "mounts[" + strconv.Itoa(i) + "]"
		if m.Destination == "" {
			wrong(fault.Hint(bad(field+".destination", "it must not be empty"), "give the place in the container, an absolute path"))
		}
		tooLong(field+".destination", m.Destination, maxPath, wrong)
		tooLong(field+".source", m.Source, maxPath, wrong)
		mapping(field+".uidMappings", m.UIDMappings, wrong)
		mapping(field+".gidMappings", m.GIDMappings, wrong)
	}
}

// paths checks the lengths of those that are not checked elsewhere.
func paths(spec *specs.Spec, wrong report) {
	l := spec.Linux
	for _, list := range []struct {
		field string
		paths []string
	}{{"linux.maskedPaths", l.MaskedPaths}, {"linux.readonlyPaths", l.ReadonlyPaths}} {
		for i, p := range list.paths {
			if len(p) > maxPath { // the name of the field costs, and there are many
				tooLong(fmt.Sprintf("%s[%d]", list.field, i), p, maxPath, wrong)
			}
		}
	}
	tooLong("linux.cgroupsPath", l.CgroupsPath, maxPath, wrong)
	if spec.Root != nil {
		tooLong("root.path", spec.Root.Path, maxPath, wrong)
	}
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

// HooksOf are the hooks of a configuration by their kind.
func HooksOf(spec *specs.Spec) map[string][]specs.Hook {
	all := map[string][]specs.Hook{}
	for _, kind := range hookKinds {
		if spec.Hooks != nil {
			all[kind.name] = kind.of(spec.Hooks)
		}
	}
	return all
}

func hooks(spec *specs.Spec, wrong report) {
	if spec.Hooks == nil {
		return
	}
	for _, kind := range hookKinds {
		list := kind.of(spec.Hooks)
		for i := range list {
			hook(fmt.Sprintf("hooks.%s[%d]", kind.name, i), &list[i], wrong)
		}
	}
}

func hook(field string, h *specs.Hook, wrong report) {
	if !filepath.IsAbs(h.Path) {
		wrong(fault.Hint(bad(field+".path", "%q is not an absolute path", h.Path), "a hook is executed without a shell and without PATH: give its whole path"))
	}
	if h.Timeout != nil && *h.Timeout <= 0 {
		wrong(fault.Hint(bad(field+".timeout", "%d is not allowed: it is in seconds, from 1 on", *h.Timeout), "leave it out for no limit"))
	}
	for i, e := range h.Env {
		if !strings.Contains(e, "=") {
			wrong(fault.Expect("NAME=VALUE", bad(fmt.Sprintf("%s.env[%d]", field, i), "invalid environment variable: missing '=' in %q", e)))
		}
	}
}

func annotations(spec *specs.Spec, wrong report) {
	if _, found := spec.Annotations[""]; found {
		wrong(bad("annotations", "a key must not be empty"))
	}
}
