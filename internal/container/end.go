package container

import (
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// explainer returns what is to be called with the end of the container's process: it says when it was the memory limit
// that has ended it. A shell's 137 does not.
func (c *Container) explainer() func(unix.WaitStatus) {
	cg := c.cgroup()
	if cg == nil {
		return func(unix.WaitStatus) {}
	}
	oomKilled := cg.FollowOOM()
	return func(status unix.WaitStatus) {
		if !status.Signaled() || status.Signal() != unix.SIGKILL {
			return
		}
		if killed, err := oomKilled(); err == nil && killed {
			logrus.Warnf("container %s was killed for want of memory: it reached linux.resources.memory.limit", c.rec.ID)
		}
	}
}
