package cgroups

import (
	"errors"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// writeRules sets the rules of a new v1 cgroup, which has those of its parent: most of the time none. The library
// would read devices.list, work out the difference, open the file for each rule, and read the list again.
func (s *ruleset) writeRules(dir string) error {
	first, rest := dir+"/devices.deny", dir+"/devices.allow"
	if s.allow {
		first, rest = rest, first
	}
	if err := writeFile(first, "a"); err != nil {
		return err
	}
	if len(s.exceptions) == 0 {
		return nil
	}
	fd, err := open(rest, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, e := range s.exceptions {
		if err := write(fd, rest, e.String()); err != nil {
			return err
		}
	}
	return nil
}

// mayLackDevices tells whether an error of the device rules is to be borne: in a user namespace that is not the
// host's nobody may set them, and nobody may make or open a device that they would forbid.
func (c *Cgroup) mayLackDevices(err error) bool {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return false
	}
	return c.saved.Rootless || userns.RunningInUserNS()
}
