package cgroups

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Hierarchy is a mounted tree of cgroups and the container's place in it.
type Hierarchy struct {
	Controllers []string `json:"controllers,omitempty"` // as /proc/self/cgroup names them; none for the v2 tree
	Mount       string   `json:"mount"`                 // where it is mounted
	Path        string   `json:"path"`                  // the container's cgroup, relative to Mount, begins with /

	fresh     bool   // made by this process
	madeAbove int    // how many of the cgroups above it were
	own       string // the caller's cgroup in it, as /proc/self/cgroup has it
}

func (h *Hierarchy) dir() string { return h.Mount + h.Path }

func (h *Hierarchy) has(controller string) bool { return slices.Contains(h.Controllers, controller) }

// optional tells whether containers do without the hierarchy where it cannot be used: nothing is limited by it.
func (h *Hierarchy) optional() bool {
	return len(h.Controllers) == 0 || strings.HasPrefix(h.Controllers[0], "name=") || h.Controllers[0] == "misc"
}

// find returns the mounted hierarchies. Where each is at its usual place, as everywhere but on odd hosts, that takes
// one statfs a hierarchy; mountinfo, which the kernel takes long to write when there are thousands of mounts, is
// read only if one is not. It is not read for a v2 tree beside v1, which limits nothing: containers do without it, and
// without its statistics of pressure.
func find(layout Layout) ([]Hierarchy, error) {
	text, err := readFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	own := parseOwn(text)
	if layout == V2 {
		for i := range own {
			if len(own[i].Controllers) == 0 {
				own[i].Mount = root
				return own[i : i+1], nil
			}
		}
		return []Hierarchy{{Mount: root, own: "/"}}, nil
	}
	found := own[:0:0]
	var mounts []Hierarchy
	for _, h := range own {
		if h.Mount = h.usual(); h.Mount == "" && len(h.Controllers) > 0 {
			if mounts == nil {
				if mounts, err = readMounts(); err != nil {
					return nil, err
				}
			}
			h.Mount = h.mountIn(mounts)
		}
		if h.Mount != "" {
			found = append(found, h)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted")
	}
	return found, nil
}

// usual returns the place where the hierarchy is mounted on most hosts, "" if it is not there.
func (h *Hierarchy) usual() string {
	path, magic := hybrid, int64(unix.CGROUP2_SUPER_MAGIC)
	if len(h.Controllers) > 0 {
		path = root + "/" + strings.TrimPrefix(strings.Join(h.Controllers, ","), "name=")
		magic = unix.CGROUP_SUPER_MAGIC
	}
	if filesystem(path) != magic {
		return ""
	}
	return path
}

func (h *Hierarchy) mountIn(mounts []Hierarchy) string {
	for i := range mounts {
		if m := &mounts[i]; m.has(h.Controllers[0]) {
			return m.Mount
		}
	}
	return ""
}

// parseOwn reads /proc/PID/cgroup: lines of ID:CONTROLLERS:PATH (cgroups(7)).
func parseOwn(text string) []Hierarchy {
	all := make([]Hierarchy, 0, 12)
	for line := range strings.SplitSeq(text, "\n") {
		_, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		names, path, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		h := Hierarchy{own: path}
		if names != "" {
			h.Controllers = strings.Split(names, ",")
		}
		all = append(all, h)
	}
	return all
}

func readMounts() ([]Hierarchy, error) {
	text, err := readLines("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseMounts(text), nil
}

// parseMounts picks the cgroup mounts out of mountinfo (proc_pid_mountinfo(5)). Path is the root of each mount.
func parseMounts(text string) []Hierarchy {
	var all []Hierarchy
	for line := range strings.SplitSeq(text, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		if !ok || !strings.HasPrefix(after, "cgroup") {
			continue
		}
		mount, super := strings.Fields(before), strings.Fields(after)
		if len(mount) < 5 || len(super) < 3 {
			continue
		}
		h := Hierarchy{Mount: unescape(mount[4]), Path: unescape(mount[3])}
		switch super[0] {
		case "cgroup":
			h.Controllers = strings.Split(super[2], ",")
		case "cgroup2":
		default:
			continue
		}
		all = append(all, h)
	}
	return all
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// ownPath returns the caller's cgroup relative to the mount of the hierarchy. In a container without a cgroup
// namespace the mount shows a part of the tree only, of which /proc/self/cgroup knows nothing.
func (h *Hierarchy) ownPath() (string, error) {
	if h.own == "/" {
		return "/", nil
	}
	mounts, err := readMounts()
	if err != nil {
		return "", err
	}
	for _, m := range mounts {
		if m.Mount != h.Mount {
			continue
		}
		switch rel, ok := strings.CutPrefix(h.own, strings.TrimSuffix(m.Path, "/")); {
		case ok && rel == "":
			return "/", nil
		case ok && rel[0] == '/' && !escapes(rel):
			return rel, nil
		}
	}
	return "", fmt.Errorf("own cgroup %s is not below what is mounted at %s", h.own, h.Mount)
}

// escapes tells whether a path that the kernel gave leads out of the cgroup namespace.
func escapes(path string) bool { return strings.HasPrefix(path, "/..") }
