package rdt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// compare tells whether a group that is there already has the schemata that are asked for: others use it, too.
func (g *Group) compare(s *specs.LinuxIntelRdt) error {
	if s.L3CacheSchema == "" && s.MemBwSchema == "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(g.saved.Dir, "schemata"))
	if err != nil {
		return wrong("closID", fmt.Errorf("read schemata: %w", err))
	}
	have := parse(string(b))
	for _, want := range []schema{{"l3CacheSchema", s.L3CacheSchema}, {"memBwSchema", s.MemBwSchema}} {
		for place, value := range parse(want.text) {
			if got := have[place]; got != value {
				return wrong(want.field, fmt.Errorf("group %s exists with %s=%s, and %s=%s is asked for", g.saved.Dir, place, got, place, value))
			}
		}
	}
	return nil
}

// parse reads schemata: "L3:0=fff;1=0f0" gives "L3:0" → "fff", "L3:1" → "f0". The kernel pads what it shows.
func parse(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		resource, domains, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		for _, d := range strings.Split(domains, ";") {
			domain, value, _ := strings.Cut(d, "=")
			domain = shortest(domain)
			values[strings.TrimSpace(resource)+":"+domain] = shortest(value)
		}
	}
	return values
}

// shortest is a number in the shortest form.
func shortest(number string) string {
	number = strings.ToLower(strings.TrimSpace(number))
	if short := strings.TrimLeft(number, "0"); short != "" || number == "" {
		return short
	}
	return "0"
}
