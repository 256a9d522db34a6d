package container

import (
	"context"
	"errors"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/rdt"
)

// Update is what is changed of a container's resources. What is not set stays as it is.
type Update struct {
	Resources     *specs.LinuxResources
	L3CacheSchema *string
	MemBwSchema   *string
}

// Update changes the limits of a container that has not stopped.
func (c *Container) Update(u *Update) error {
	return c.locked(func() error {
		status, err := c.status()
		if err != nil {
			return err
		}
		if status == Stopped || status == Creating {
			return fault.New(fault.State, "", ErrNotRunning)
		}
		if u.L3CacheSchema != nil || u.MemBwSchema != nil {
			if err := c.updateRDT(u); err != nil {
				return err
			}
		}
		if u.Resources == nil {
			return nil
		}
		cg, err := c.needCgroup()
		if err != nil {
			return err
		}
		return cg.Update(u.Resources)
	})
}

func (c *Container) updateRDT(u *Update) error {
	if c.rec.RDT == nil {
		return fault.New(fault.State, "linux.intelRdt", errors.New("container has no Intel RDT group"))
	}
	return rdt.Load(c.rec.RDT).Update(u.L3CacheSchema, u.MemBwSchema)
}

// Stats are the container's resources as they are used now.
func (c *Container) Stats() (*cgroups.Stats, error) { return c.counted((*cgroups.Cgroup).Stats) }

// Usage is the part of them that changes all the time.
func (c *Container) Usage() (*cgroups.Stats, error) { return c.counted((*cgroups.Cgroup).Usage) }

func (c *Container) counted(counters func(*cgroups.Cgroup) (*cgroups.Stats, error)) (*cgroups.Stats, error) {
	status, err := c.status()
	if err != nil {
		return nil, err
	}
	if status == Stopped {
		return nil, fault.New(fault.State, "", ErrNotRunning)
	}
	cg, err := c.needCgroup()
	if err != nil {
		return nil, err
	}
	stats, err := counters(cg)
	if err != nil && !cg.Exists() {
		// Systemd has removed it meanwhile.
		return nil, fault.New(fault.State, "", ErrNotRunning)
	}
	return stats, err
}

// WatchOOM reports each time that the kernel kills for want of memory in the container. The channel is closed when its init
// has ended, which is noted, its cgroup is gone or ctx ends.
func (c *Container) WatchOOM(ctx context.Context) (<-chan struct{}, error) {
	cg, err := c.needCgroup()
	if err != nil {
		return nil, err
	}
	init, err := c.rec.Init.open()
	if err != nil {
		return nil, fault.New(fault.State, "", ErrNotRunning)
	}
	end := make(chan struct{})
	events, err := cg.WatchOOM(ctx, end)
	if err != nil {
		_ = init.Close()
		return nil, err
	}
	go func() {
		defer close(end)
		defer init.Close()
		for !waitPidfd(init, time.Hour) {
		}
		if err := c.sawGone(init); err != nil {
			logrus.Warn(err)
		}
	}()
	return events, nil
}

// needCgroup is for what works through the cgroup alone.
func (c *Container) needCgroup() (*cgroups.Cgroup, error) {
	if cg := c.cgroup(); cg != nil {
		return cg, nil
	}
	return nil, fault.Hint(fault.New(fault.Cgroup, "linux.cgroupsPath", errors.New("container has no cgroup")),
		"a rootless container gets one where a cgroup is delegated to the user, as systemd does for its user sessions")
}
