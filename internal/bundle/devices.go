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

// deviceRules checks the allow list of the devices cgroup (config-linux.md, "Allowed Device list").
func deviceRules(spec *specs.Spec, wrong report) {
	if spec.Linux.Resources != nil {
		rules("linux.resources.devices", spec.Linux.Resources.Devices, wrong)
	}
}

func rules(field string, list []specs.LinuxDeviceCgroup, wrong report) {
	for i, d := range list {
		field := fmt.Sprintf("%s[%d]", field, i)
		switch d.Type {
		case "", "a", "b", "c":
		default:
			wrong(fault.Expect("a, b or c", bad(field+".type", "%q is not allowed: it is a (all), b (block) or c (character)", d.Type)))
		}
		if strings.Trim(d.Access, "rwm") != "" {
			wrong(fault.Expect("a string of r, w and m", bad(field+".access", "%q is not allowed: it is made of r (read), w (write) and m (mknod)", d.Access)))
		}
	}
}

// netDevices checks the names of network devices (config-linux.md, "Network Devices"; dev_valid_name in the kernel).
func netDevices(spec *specs.Spec, wrong report) {
	list := spec.Linux.NetDevices
	if len(list) == 0 {
		return
	}
	if namespace(spec, specs.NetworkNamespace) == nil {
		wrong(fault.Hint(bad("linux.netDevices", "network devices need a network namespace in linux.namespaces"), `add {"type": "network"} to linux.namespaces`))
	}
	inside := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(list)) {
		field := fmt.Sprintf("linux.netDevices[%q]", name)
		target := list[name].Name
		if target == "" {
			target = name
		}
		for _, n := range []string{name, target} {
			if !deviceName(n) {
				wrong(bad(field, "invalid network device name %q: it has 1 to 15 bytes, no blank, \"/\" or \":\", and is not \".\" or \"..\"", n))
			}
		}
		// The kernel makes of a template a name that is free.
		if other, found := inside[target]; found && !strings.Contains(target, "%d") {
			wrong(bad(field, "both %q and %q are to be called %q", other, name, target))
		}
		inside[target] = name
	}
}

func deviceName(s string) bool {
	const maxName = 15 // IFNAMSIZ without its NUL
	return s != "" && len(s) <= maxName && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r\x00")
}

// intelRdt checks what becomes a directory below the resctrl filesystem.
func intelRdt(spec *specs.Spec, wrong report) {
	r := spec.Linux.IntelRdt
	if r == nil {
		return
	}
	// "/" is the group that is there from the beginning.
	if id := r.ClosID; id == "." || id == ".." || id != "/" && strings.ContainsAny(id, "/\n") || len(filepath.Base(id)) > 255 {
		wrong(bad("linux.intelRdt.closID", "%q cannot be the name of a directory", id))
	}
	for i, line := range r.Schemata {
		if strings.ContainsRune(line, '\n') {
			wrong(bad(fmt.Sprintf("linux.intelRdt.schemata[%d]", i), "a line break is not allowed: each element is one line"))
		}
	}
}
