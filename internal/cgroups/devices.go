package cgroups

import (
	"fmt"
	"strconv"
	"strings"

	libdevices "github.com/opencontainers/cgroups/devices/config"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// access is a set of r, w and m.
type access uint8

const (
	readAccess access = 1 << iota
	writeAccess
	mknodAccess
	fullAccess = readAccess | writeAccess | mknodAccess
)

const wildcard = -1

// node is a device, or with a wildcard several.
type node struct {
	kind         byte // b or c
	major, minor int64
}

type exception struct {
	node
	access access
}

// ruleset is a list of rules brought into the form that the kernel's v1 files have: a default, and exceptions to it.
type ruleset struct {
	allow      bool
	exceptions []exception
}

// defaultRules allow what every container may use: the default devices of config-linux.md, and the slaves of its
// pseudoterminals. Device nodes of any kind may be made, which does not give the right to open them.
var defaultRules = []exception{
	{node{'c', 1, 3}, fullAccess},          // null
	{node{'c', 1, 5}, fullAccess},          // zero
	{node{'c', 1, 7}, fullAccess},          // full
	{node{'c', 1, 8}, fullAccess},          // random
	{node{'c', 1, 9}, fullAccess},          // urandom
	{node{'c', 5, 0}, fullAccess},          // tty
	{node{'c', 5, 1}, fullAccess},          // console
	{node{'c', 5, 2}, fullAccess},          // ptmx
	{node{'c', 136, wildcard}, fullAccess}, // pts
}

// mergeRules brings linux.resources.devices into the kernel's form. They count in the listed order (config-linux.md),
// the last that fits a device decides. The default devices come after the last rule for all devices, which engines
// put first to deny everything, so that what the configuration says of single devices holds.
func mergeRules(given []specs.LinuxDeviceCgroup) (*ruleset, error) {
	rules, err := parseRules(given)
	if err != nil {
		return nil, err
	}
	s := &ruleset{}
	start := 0
	for i := range rules {
		if rules[i].all {
			s.allow = rules[i].allow
			start = i + 1
		}
	}
	if !s.allow {
		s.exceptions = append(s.exceptions, defaultRules...)
	}
	for _, r := range rules[start:] {
		for _, e := range r.exceptions {
			if err := s.add(r.allow, e); err != nil {
				return nil, fault.New(fault.Unsupported, fmt.Sprintf("linux.resources.devices[%d]", r.index), err)
			}
		}
	}
	if !s.allow {
		s.allowMknod(rules[start:])
	}
	return s, nil
}

// allowMknod lets device nodes of both kinds be made, unless a rule forbids it for some of them.
func (s *ruleset) allowMknod(rules []parsedRule) {
	for _, kind := range []byte{'b', 'c'} {
		denied := false
		for _, r := range rules {
			for _, e := range r.exceptions {
				denied = denied || !r.allow && e.kind == kind && e.access&mknodAccess != 0
			}
		}
		if !denied {
			s.include(exception{node{kind, wildcard, wildcard}, mknodAccess})
		}
	}
}

// add applies a rule to the set.
func (s *ruleset) add(allow bool, e exception) error {
	if allow != s.allow {
		s.include(e)
		return nil
	}
	kept := s.exceptions[:0]
	for _, old := range s.exceptions {
		switch {
		case e.covers(old.node):
			old.access &^= e.access
		case old.covers(e.node) && old.access&e.access != 0, old.overlaps(e.node) && old.access&e.access != 0:
			return fmt.Errorf("device rule %s is an exception to the rule %s, which cgroups cannot express", e, old)
		}
		if old.access != 0 {
			kept = append(kept, old)
		}
	}
	s.exceptions = kept
	return nil
}

func (s *ruleset) include(e exception) {
	for i := range s.exceptions {
		if s.exceptions[i].node == e.node {
			s.exceptions[i].access |= e.access
			return
		}
	}
	s.exceptions = append(s.exceptions, e)
}

// covers tells whether every device that o stands for is among those of n.
func (n node) covers(o node) bool {
	return n.kind == o.kind && (n.major == wildcard || n.major == o.major) && (n.minor == wildcard || n.minor == o.minor)
}

func (n node) overlaps(o node) bool {
	return n.kind == o.kind && (n.major == wildcard || o.major == wildcard || n.major == o.major) &&
		(n.minor == wildcard || o.minor == wildcard || n.minor == o.minor)
}

func (a access) String() string {
	var b strings.Builder
	for i, letter := range "rwm" {
		if a&(1<<i) != 0 {
			b.WriteRune(letter)
		}
	}
	return b.String()
}

// String is the form of devices.allow and devices.deny.
func (e exception) String() string {
	number := func(n int64) string {
		if n == wildcard {
			return "*"
		}
		return strconv.FormatInt(n, 10)
	}
	return string(e.kind) + " " + number(e.major) + ":" + number(e.minor) + " " + e.access.String()
}

// library gives the rules to the library.
func (s *ruleset) library() []*libdevices.Rule {
	rules := []*libdevices.Rule{{
		Type: libdevices.WildcardDevice, Major: wildcard, Minor: wildcard, Permissions: "rwm", Allow: s.allow,
	}}
	for _, e := range s.exceptions {
		rules = append(rules, &libdevices.Rule{
			Type: libdevices.Type(e.kind), Major: e.major, Minor: e.minor,
			Permissions: libdevices.Permissions(e.access.String()), Allow: !s.allow,
		})
	}
	return rules
}

// fromLibrary reads what library gave: a rule for all, and exceptions to it.
func fromLibrary(rules []*libdevices.Rule) *ruleset {
	s := &ruleset{}
	for _, r := range rules {
		if r.Type == libdevices.WildcardDevice {
			s.allow = r.Allow
			continue
		}
		a, _ := parseAccess(string(r.Permissions), false)
		s.exceptions = append(s.exceptions, exception{node{byte(r.Type), r.Major, r.Minor}, a})
	}
	return s
}

// denyAll tells whether the rules are but the "deny everything" that engines send with every update.
func denyAll(given []specs.LinuxDeviceCgroup) bool {
	for i := range given {
		if given[i].Allow {
			return false
		}
		if t := given[i].Type; t != "" && t != "a" || given[i].Major != nil || given[i].Minor != nil {
			return false
		}
	}
	return true
}

// parsedRule is a rule of the configuration. all means all devices and every access.
type parsedRule struct {
	index      int
	allow, all bool
	exceptions []exception
}

func parseRules(given []specs.LinuxDeviceCgroup) ([]parsedRule, error) {
	rules := make([]parsedRule, len(given))
	for i := range given {
		field := "linux.resources.devices[" + strconv.Itoa(i) + "]"
		r, err := parseRule(&given[i], field)
		if err != nil {
			return nil, err
		}
		r.index = i
		rules[i] = r
	}
	return rules, nil
}

func parseRule(g *specs.LinuxDeviceCgroup, field string) (parsedRule, error) {
	r := parsedRule{allow: g.Allow}
	var kinds string
	switch g.Type {
	case "", "a":
		kinds = "bc"
	case "b", "c":
		kinds = g.Type
	default:
		return r, fault.New(fault.Config, field+".type", fmt.Errorf("invalid device type %q: must be a, b or c", g.Type))
	}
	a, err := parseAccess(g.Access, kinds == "bc")
	if err != nil {
		return r, fault.New(fault.Config, field+".access", err)
	}
	major, minor := int64(wildcard), int64(wildcard)
	for _, number := range []struct {
		from *int64
		to   *int64
		name string
	}{{g.Major, &major, "major"}, {g.Minor, &minor, "minor"}} {
		if number.from == nil || *number.from == wildcard {
			continue
		}
		if *number.from < 0 || *number.from > 1<<32-1 {
			return r, fault.New(fault.Config, field+"."+number.name, fmt.Errorf("invalid device number %d", *number.from))
		}
		*number.to = *number.from
	}
	r.all = len(kinds) == 2 && major == wildcard && minor == wildcard && a == fullAccess
	for _, kind := range []byte(kinds) {
		r.exceptions = append(r.exceptions, exception{node{kind, major, minor}, a})
	}
	return r, nil
}

// parseAccess reads a composition of r, w and m. A rule for all devices that names none is for every access.
func parseAccess(s string, all bool) (access, error) {
	var a access
	for _, letter := range []byte(s) {
		i := strings.IndexByte("rwm", letter)
		if i < 0 {
			return 0, fmt.Errorf("invalid device access %q: must be made of r, w and m", s)
		}
		a |= 1 << i
	}
	switch {
	case a != 0:
		return a, nil
	case all:
		return fullAccess, nil
	}
	return 0, fmt.Errorf("device access is empty: must be made of r, w and m")
}
