package bundle

import (
	"fmt"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// deviceRules checks the allow list of the devices cgroup (config-linux.md, "Allowed Device list").
func deviceRules(spec *specs.Spec) error {
	if spec.Linux.Resources == nil {
		return nil
	}
	return rules("linux.resources.devices", spec.Linux.Resources.Devices)
}

func rules(field string, list []specs.LinuxDeviceCgroup) error {
	for i, d := range list {
		field := fmt.Sprintf("%s[%d]", field, i)
		switch d.Type {
		case "", "a", "b", "c":
		default:
			return bad(field+".type", "%q is not allowed: it is a (all), b (block) or c (character)", d.Type)
		}
		if strings.Trim(d.Access, "rwm") != "" {
			return bad(field+".access", "%q is not allowed: it is made of r (read), w (write) and m (mknod)", d.Access)
		}
	}
	return nil
}

// netDevices checks the names of network devices (config-linux.md, "Network Devices"; dev_valid_name in the kernel).
func netDevices(spec *specs.Spec) error {
	list := spec.Linux.NetDevices
	if len(list) == 0 {
		return nil
	}
	if namespace(spec, specs.NetworkNamespace) == nil {
		return bad("linux.netDevices", "network devices need a network namespace in linux.namespaces")
	}
	inside := map[string]string{}
	for name, d := range list {
		field := fmt.Sprintf("linux.netDevices[%q]", name)
		target := d.Name
		if target == "" {
			target = name
		}
		for _, n := range []string{name, target} {
			if !deviceName(n) {
				return bad(field, "invalid network device name %q: it has 1 to 15 bytes, no blank, \"/\" or \":\", and is not \".\" or \"..\"", n)
			}
		}
		// The kernel makes of a template a name that is free.
		if other, found := inside[target]; found && !strings.Contains(target, "%d") {
			return bad(field, "both %q and %q are to be called %q", other, name, target)
		}
		inside[target] = name
	}
	return nil
}

func deviceName(s string) bool {
	const maxName = 15 // IFNAMSIZ without its NUL
	return s != "" && len(s) <= maxName && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r\x00")
}

// intelRdt checks what becomes a directory below the resctrl filesystem.
func intelRdt(spec *specs.Spec) error {
	r := spec.Linux.IntelRdt
	if r == nil {
		return nil
	}
	// "/" is the group that is there from the beginning.
	if id := r.ClosID; id == "." || id == ".." || id != "/" && strings.ContainsAny(id, "/\n") || len(filepath.Base(id)) > 255 {
		return bad("linux.intelRdt.closID", "%q cannot be the name of a directory", id)
	}
	for i, line := range r.Schemata {
		if strings.ContainsRune(line, '\n') {
			return bad(fmt.Sprintf("linux.intelRdt.schemata[%d]", i), "a line break is not allowed: each element is one line")
		}
	}
	return nil
}
