package cgroups

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"mydocker/internal/fault"
)

const pathField = "linux.cgroupsPath"

// cleanPath makes the path of the container's cgroup, relative to the hierarchies' mounts, from linux.cgroupsPath as
// it is written. An absolute path and a relative one are the same place: config-linux.md wants one value to lead
// always to one place, which the caller's own cgroup is not. Without one it is the container's ID. ".." does not
// lead out of the hierarchy.
func cleanPath(given, id string) (string, error) {
	if given == "" {
		given = id
	}
	if strings.ContainsAny(given, "\x00\n") {
		return "", fault.New(fault.Config, pathField, fmt.Errorf("invalid cgroupsPath %q: control character", given))
	}
	clean := path.Clean("/" + given)
	if clean == "/" {
		return "", fault.Hint(fault.New(fault.Config, pathField, fmt.Errorf("invalid cgroupsPath %q: it is the root cgroup", given)),
			"name a cgroup below it, as /mygroup/mycontainer")
	}
	return clean, nil
}

// Unit is the container's systemd unit.
type Unit struct {
	Slice  string `json:"slice,omitempty"` // "" is systemd's default: system.slice, or user.slice in a user session
	Prefix string `json:"prefix,omitempty"`
	Name   string `json:"name"`           // without the prefix and ".scope"; or a slice, with its ".slice"
	User   bool   `json:"user,omitempty"` // of the user's own systemd
}

var errUnitPath = errors.New(`expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups`)

// parseUnit makes the unit from linux.cgroupsPath.
func parseUnit(given, id string) (*Unit, error) {
	if given == "" {
		return &Unit{Prefix: "mydocker", Name: id}, nil
	}
	parts := strings.Split(given, ":")
	if len(parts) != 3 || parts[2] == "" || strings.ContainsAny(given, "/\x00\n") {
		return nil, fault.New(fault.Config, pathField, fmt.Errorf("%w, got %q instead", errUnitPath, given))
	}
	return &Unit{Slice: parts[0], Prefix: parts[1], Name: parts[2]}, nil
}

// String is the unit's full name.
func (u *Unit) String() string {
	if strings.HasSuffix(u.Name, ".slice") {
		return u.Name
	}
	return u.Prefix + "-" + u.Name + ".scope"
}
