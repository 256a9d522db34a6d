package cgroups

import (
	"os"
	"strconv"
	"strings"

	systemddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// deviceAllow is an entry of DeviceAllow= (systemd.resource-control(5)).
type deviceAllow struct{ Node, Access string }

// properties are the rules as far as systemd can express them: it has no list of what is denied, which is then left to
// the cgroup's own program alone.
func (s *ruleset) properties() []systemddbus.Property {
	policy, entries := "auto", []deviceAllow{}
	if !s.allow {
		policy = "strict"
		entries = s.entries()
	}
	return []systemddbus.Property{
		{Name: "DevicePolicy", Value: dbus.MakeVariant(policy)},
		// An empty list takes back what was set before.
		{Name: "DeviceAllow", Value: dbus.MakeVariant([]deviceAllow{})},
		{Name: "DeviceAllow", Value: dbus.MakeVariant(entries)},
	}
}

func (s *ruleset) entries() []deviceAllow {
	var entries []deviceAllow
	drivers := readDrivers()
	for _, e := range s.exceptions {
		class, directory := "char", "/dev/char/"
		if e.kind == 'b' {
			class, directory = "block", "/dev/block/"
		}
		switch a := e.access.String(); {
		case e.major == wildcard:
			// Systemd has no word for one minor of all majors. The cgroup's own program leaves what is meant.
			entries = append(entries, deviceAllow{class + "-*", a})
		case e.minor == wildcard:
			for _, name := range drivers[node{e.kind, e.major, wildcard}] {
				entries = append(entries, deviceAllow{class + "-" + name, a})
			}
		default:
			entries = append(entries, deviceAllow{directory + strconv.FormatInt(e.major, 10) + ":" + strconv.FormatInt(e.minor, 10), a})
		}
	}
	return entries
}

// readDrivers reads the names of major numbers in /proc/devices, by which systemd knows a whole driver's devices.
func readDrivers() map[node][]string {
	drivers := map[node][]string{}
	text, err := os.ReadFile("/proc/devices")
	if err != nil {
		return drivers
	}
	kind := byte('c')
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "Block") {
			kind = 'b'
		}
		if len(fields) != 2 {
			continue
		}
		if major, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
			n := node{kind, major, wildcard}
			drivers[n] = append(drivers[n], fields[1])
		}
	}
	return drivers
}
