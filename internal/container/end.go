package container

import (
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// explainEnd says when it was the memory limit that has ended the container: a shell's 137 does not.
func (c *Container) explainEnd(status unix.WaitStatus) {
	cg := c.cgroup()
	if cg == nil || !status.Signaled() || status.Signal() != unix.SIGKILL {
		return
	}
	if killed, err := cg.OOMKilled(); err == nil && killed {
		logrus.Warnf("container %s was killed for want of memory: it reached linux.resources.memory.limit", c.rec.ID)
	}
}
