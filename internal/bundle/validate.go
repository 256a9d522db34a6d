package bundle

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// wrong is an error about a field.
func wrong(field, format string, a ...any) error {
	return fault.New(fault.Config, field, fmt.Errorf(format, a...))
}

// Validate refuses a configuration that no host could run. It names the field that is at fault.
func Validate(spec *specs.Spec) error {
	for _, check := range []func(*specs.Spec) error{
		checkVersion, checkStrings, checkPlatform, checkRoot, checkNamespaces, checkIDs, checkMounts, checkHooks,
		checkDevices, checkTimeOffsets, checkRDT,
	} {
		if err := check(spec); err != nil {
			return err
		}
	}
	if spec.Process != nil {
		return ValidateProcess(spec.Process, "process")
	}
	return nil
}

// checkVersion takes every 1.x: within a major version nothing is taken away.
func checkVersion(spec *specs.Spec) error {
	major, _, ok := strings.Cut(spec.Version, ".")
	if !ok || major != strconv.Itoa(specs.VersionMajor) {
		return wrong("ociVersion", "ociVersion: unsupported version %q: %d.x is supported", spec.Version, specs.VersionMajor)
	}
	return nil
}

// maxString bounds a string of the configuration. What the kernel takes is shorter; a config.json of gigabytes is an
// attack (CVE-2021-43784).
const maxString = 1 << 20

// checkStrings refuses NUL bytes, which would end a string early for the kernel alone (CVE-2021-43784), and strings
// beyond any use.
func checkStrings(spec *specs.Spec) error { return walkStrings(reflect.ValueOf(spec).Elem(), "") }

func walkStrings(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.String:
		switch s := v.String(); {
		case len(s) > maxString:
			return wrong(path, "%s: %d bytes are more than the %d that are allowed", path, len(s), maxString)
		case strings.ContainsRune(s, 0):
			return wrong(path, "%s: a NUL byte in %q", path, s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return walkStrings(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := walkStrings(v.Index(i), path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := walkStrings(it.Key(), path); err != nil {
				return err
			}
			if err := walkStrings(it.Value(), fmt.Sprintf("%s[%q]", path, it.Key())); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if err := walkStrings(v.Field(i), strings.TrimPrefix(path+"."+name, ".")); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPlatform refuses what is for other systems.
func checkPlatform(spec *specs.Spec) error {
	for field, set := range map[string]bool{
		"solaris": spec.Solaris != nil, "windows": spec.Windows != nil, "vm": spec.VM != nil, "zos": spec.ZOS != nil,
		"freebsd": spec.FreeBSD != nil,
	} {
		if set {
			return wrong(field, "%s: this is a runtime for Linux containers", field)
		}
	}
	return nil
}

func checkRoot(spec *specs.Spec) error {
	if spec.Root == nil || spec.Root.Path == "" {
		return fault.New(fault.Rootfs, "root.path", errors.New("root.path must not be empty"))
	}
	return nil
}

func checkNamespaces(spec *specs.Spec) error {
	if spec.Linux == nil {
		return nil
	}
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, ns := range spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		switch ns.Type {
		case specs.PIDNamespace, specs.NetworkNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace,
			specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace:
		default:
			return wrong(field+".type", "namespace {%q %q} does not exist", ns.Type, ns.Path)
		}
		if seen[ns.Type] {
			return wrong(field+".type", "malformed spec file: duplicated ns {%q %q}", ns.Type, ns.Path)
		}
		seen[ns.Type] = true
		if ns.Path != "" && !filepath.IsAbs(ns.Path) {
			return wrong(field+".path", "%s.path: %q is not absolute", field, ns.Path)
		}
	}
	if !seen[specs.MountNamespace] {
		return wrong("linux.namespaces", "linux.namespaces: a container needs a mount namespace: without one its root filesystem would be the host's")
	}
	return nil
}

// checkIDs checks the maps of the user namespace.
func checkIDs(spec *specs.Spec) error {
	l := spec.Linux
	if l == nil {
		return nil
	}
	fresh, joined := false, false
	for _, ns := range l.Namespaces {
		if ns.Type == specs.UserNamespace {
			fresh, joined = ns.Path == "", ns.Path != ""
		}
	}
	maps := len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0
	switch {
	case maps && !fresh && !joined:
		return wrong("linux.uidMappings", "user namespace mappings specified, but user namespace isn't enabled in the config")
	case fresh && len(l.UIDMappings) == 0:
		return wrong("linux.uidMappings", "a new user namespace needs linux.uidMappings: nobody could be anybody in it")
	case fresh && len(l.GIDMappings) == 0:
		return wrong("linux.gidMappings", "a new user namespace needs linux.gidMappings: nobody could be in any group in it")
	}
	if err := CheckMap("linux.uidMappings", l.UIDMappings); err != nil {
		return err
	}
	return CheckMap("linux.gidMappings", l.GIDMappings)
}

// maxMappings is how many lines a map may have (user_namespaces(7), Linux 4.15).
const maxMappings = 340

// CheckMap checks that no ID is mapped twice.
func CheckMap(field string, m []specs.LinuxIDMapping) error {
	if len(m) > maxMappings {
		return wrong(field, "%s: %d mappings are more than the %d that the kernel takes", field, len(m), maxMappings)
	}
	for i, a := range m {
		at := fmt.Sprintf("%s[%d]", field, i)
		if a.Size == 0 {
			return wrong(at+".size", "%s.size: a mapping of no IDs", at)
		}
		if uint64(a.ContainerID)+uint64(a.Size) > math.MaxUint32 || uint64(a.HostID)+uint64(a.Size) > math.MaxUint32 {
			return wrong(at, "%s: the mapping goes beyond the last ID", at)
		}
		for j, b := range m[:i] {
			if overlap(a.ContainerID, b.ContainerID, a.Size, b.Size) || overlap(a.HostID, b.HostID, a.Size, b.Size) {
				return wrong(at, "%s: overlaps %s[%d]", at, field, j)
			}
		}
	}
	return nil
}

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

func checkMounts(spec *specs.Spec) error {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		field := fmt.Sprintf("mounts[%d]", i)
		if m.Destination == "" {
			return wrong(field+".destination", "%s.destination must not be empty", field)
		}
		warnRelative(i, m)
		if (len(m.UIDMappings) == 0) != (len(m.GIDMappings) == 0) {
			return wrong(field, "%s: uidMappings and gidMappings go together", field)
		}
		if err := CheckMap(field+".uidMappings", m.UIDMappings); err != nil {
			return err
		}
		if err := CheckMap(field+".gidMappings", m.GIDMappings); err != nil {
			return err
		}
	}
	return nil
}

func checkHooks(spec *specs.Spec) error {
	if spec.Hooks == nil {
		return nil
	}
	v := reflect.ValueOf(*spec.Hooks)
	for i := range v.NumField() {
		kind, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		for j, h := range v.Field(i).Interface().([]specs.Hook) {
			field := fmt.Sprintf("hooks.%s[%d]", kind, j)
			if !filepath.IsAbs(h.Path) {
				return wrong(field+".path", "%s.path: %q is not absolute", field, h.Path)
			}
			if h.Timeout != nil && *h.Timeout <= 0 {
				return wrong(field+".timeout", "%s.timeout: %d is not greater than zero", field, *h.Timeout)
			}
		}
	}
	return nil
}

// checkDevices checks what the device steps and the cgroup would not.
func checkDevices(spec *specs.Spec) error {
	if spec.Linux == nil || spec.Linux.Resources == nil {
		return nil
	}
	for i, d := range spec.Linux.Resources.Devices {
		field := fmt.Sprintf("linux.resources.devices[%d]", i)
		switch d.Type {
		case "", "a", "b", "c":
		default:
			return wrong(field+".type", "invalid cgroup device type: %q is none of a, b, c", d.Type)
		}
		if strings.Trim(d.Access, "rwm") != "" {
			return wrong(field+".access", "%s.access: %q is not made of r, w and m", field, d.Access)
		}
	}
	return nil
}

func checkTimeOffsets(spec *specs.Spec) error {
	if spec.Linux == nil || len(spec.Linux.TimeOffsets) == 0 {
		return nil
	}
	fresh := false
	for _, ns := range spec.Linux.Namespaces {
		fresh = fresh || ns.Type == specs.TimeNamespace && ns.Path == ""
	}
	if !fresh {
		return wrong("linux.timeOffsets", "time namespace offsets specified, but no new time namespace is in linux.namespaces")
	}
	for clock, o := range spec.Linux.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return wrong("linux.timeOffsets", "linux.timeOffsets: clock %q is none of monotonic, boottime", clock)
		}
		if o.Nanosecs >= 1e9 {
			return wrong("linux.timeOffsets", "linux.timeOffsets: %d nanoseconds are a second and more", o.Nanosecs)
		}
	}
	return nil
}

func checkRDT(spec *specs.Spec) error {
	if spec.Linux == nil || spec.Linux.IntelRdt == nil {
		return nil
	}
	if id := spec.Linux.IntelRdt.ClosID; id == "." || id == ".." || strings.ContainsAny(id, "/\n") {
		return wrong("linux.intelRdt.closID", "linux.intelRdt.closID: %q cannot name a directory", id)
	}
	return nil
}
