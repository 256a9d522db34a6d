package cgroups

import (
	"strings"
)

// Controller is a cgroup controller that the host has.
type Controller struct {
	Name  string
	Where string // "v1 at /sys/fs/cgroup/memory", "v2"
}

// Describe tells the host's layout, "v1", "hybrid" or "v2", and the controllers.
func Describe() (layout string, all []Controller, err error) {
	found, err := find(Mode())
	if err != nil {
		return "", nil, err
	}
	layout = "v1"
	for i := range found {
		h := &found[i]
		if len(h.Controllers) == 0 {
			if layout = "hybrid"; Mode() == V2 {
				layout = "v2"
			}
			names, _ := readFile(h.Mount + strings.TrimSuffix(h.own, "/") + "/cgroup.controllers")
			for name := range strings.FieldsSeq(names) {
				all = append(all, Controller{name, "v2, in " + h.own})
			}
			continue
		}
		for _, name := range h.Controllers {
			if !strings.HasPrefix(name, "name=") {
				all = append(all, Controller{name, "v1 at " + h.Mount})
			}
		}
	}
	return layout, all, nil
}
