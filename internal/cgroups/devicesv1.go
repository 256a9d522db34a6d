package cgroups

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// writeRules sets the rules of a new v1 cgroup, which has those of its parent: most of the time none.
func (s *ruleset) writeRules(dir string) error {
	first, rest := dir+"/devices.deny", dir+"/devices.allow"
	if s.allow {
		first, rest = rest, first
	}
	if err := writeFile(first, "a"); err != nil {
		return err
	}
	return s.each(rest)
}

// changeRules brings the rules of a v1 cgroup, in which there may be processes, to s. What is allowed before and after is
// so all the time, unless it is by other rules: the kernel does not tell what it denies where all else is allowed.
func (s *ruleset) changeRules(dir string) error {
	list, err := readLines(dir + "/devices.list")
	if err != nil {
		return err
	}
	now := ruleset{allow: strings.HasPrefix(list, "a ")}
	if now.allow || s.allow {
		return s.writeRules(dir)
	}
	for line := range strings.Lines(list) {
		e, err := parseLine(line)
		if err != nil {
			return err
		}
		now.include(e)
	}
	if err := now.without(s).each(dir + "/devices.deny"); err != nil {
		return err
	}
	return s.without(&now).each(dir + "/devices.allow")
}

// without is what s has and o has not, of the same devices.
func (s *ruleset) without(o *ruleset) *ruleset {
	rest := &ruleset{}
	for _, e := range s.exceptions {
		for _, other := range o.exceptions {
			if other.node == e.node {
				e.access &^= other.access
			}
		}
		if e.access != 0 {
			rest.exceptions = append(rest.exceptions, e)
		}
	}
	return rest
}

// each writes the exceptions to a file, one by one as the kernel wants them.
func (s *ruleset) each(name string) error {
	if len(s.exceptions) == 0 {
		return nil
	}
	fd, err := open(name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, e := range s.exceptions {
		if err := write(fd, name, e.String()); err != nil {
			return err
		}
	}
	return nil
}

// parseLine reads a line of devices.list, as "c 136:* rw".
func parseLine(line string) (e exception, err error) {
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' || r == '\n' })
	if len(fields) != 4 || len(fields[0]) != 1 {
		return e, fmt.Errorf("devices.list: unexpected line %q", line)
	}
	e.kind = fields[0][0]
	for i, n := range []*int64{&e.major, &e.minor} {
		if *n = wildcard; fields[i+1] == "*" {
			continue
		}
		if *n, err = strconv.ParseInt(fields[i+1], 10, 64); err != nil {
			return e, fmt.Errorf("devices.list: %w", err)
		}
	}
	e.access, err = parseAccess(fields[3], false)
	return e, err
}

// mayLackDevices tells whether an error of the device rules is to be borne: in a user namespace that is not the
// host's nobody may set them, and nobody may make or open a device that they would forbid.
func (c *Cgroup) mayLackDevices(err error) bool {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return false
	}
	return c.saved.Rootless || userns.RunningInUserNS()
}
