package container

import (
	"errors"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/cgroups"
	"mydocker/internal/criu"
	"mydocker/internal/fault"
	"mydocker/internal/progress"
	"mydocker/internal/signals"
	"mydocker/libinit"
)

// Checkpoint saves the container's processes in image files. Unless it is to go on, the container is then removed.
func (c *Container) Checkpoint(o *criu.Options) error {
	if err := criuAllowed(); err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return err
	}
	catcher, err := signals.Catch()
	if err != nil {
		return err
	}
	defer catcher.Stop()
	return c.locked(func() error { return c.checkpoint(o, catcher) })
}

func (c *Container) checkpoint(o *criu.Options, catcher *signals.Catcher) error {
	status, err := c.status()
	if err != nil {
		return err
	}
	if status != Running && status != Paused {
		return fault.New(fault.State, "", fmt.Errorf("container cannot be checkpointed in %s state", status))
	}
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	if err := checkpointable(spec); err != nil {
		return err
	}
	host := c.criuHost(c.cgroup(), spec)
	// Who deletes the container meanwhile, or kills its processes, is not kept waiting until all pages are fetched.
	host.Await, host.Serving = catcher.Await, c.unlock
	said := progress.Start(func() string { return "container " + c.rec.ID + ": criu saves it" })
	left, err := o.Dump(c.rec.Init.Pid, spec, host)
	said()
	if o.LazyPages {
		gone, lockErr := c.relock()
		if gone || lockErr != nil {
			return errors.Join(err, lockErr)
		}
	}
	switch {
	case err != nil:
		c.thawFor(status)
		return err
	case left:
		return nil
	}
	return c.stopAndDestroy()
}

// relock takes the lock again. gone tells that the container was deleted meanwhile.
func (c *Container) relock() (gone bool, err error) {
	if err := c.lock(lockWait); err != nil {
		return false, err
	}
	if !c.linked() {
		return true, nil
	}
	return false, c.read()
}

// thawFor has the processes go on after a criu that has ended too early to do so, if they have run before.
func (c *Container) thawFor(status string) {
	cg := c.cgroup()
	if cg == nil || status != Running {
		return
	}
	frozen, err := cg.Frozen()
	if err == nil && frozen {
		err = cg.Thaw()
	}
	if err != nil {
		logrus.Warnf("container %s may be frozen still: %v", c.rec.ID, err)
	}
}

// criuAllowed tells whether the caller can use criu: it traces processes, writes their pids and mounts.
func criuAllowed() error {
	if RootOfHost() {
		return nil
	}
	return fault.Hint(fault.New(fault.Permission, "", errors.New("checkpoint and restore need root on the host")),
		"rootless containers cannot be saved by criu")
}

// checkpointable refuses what criu would restore as something else.
func checkpointable(spec *specs.Spec) error {
	for i := range spec.Mounts {
		if libinit.NeedsIDMap(spec, i) {
			return fault.New(fault.Unsupported, fmt.Sprintf("mounts[%d].uidMappings", i), errors.New("criu cannot restore an id mapped mount"))
		}
	}
	return nil
}

// criuHost collects what criu has to know of the container beside its configuration.
func (c *Container) criuHost(cg *cgroups.Cgroup, spec *specs.Spec) *criu.Host {
	h := &criu.Host{ID: c.rec.ID, Bundle: c.rec.Bundle, Rootfs: rootfs(spec, c.rec.Bundle)}
	if cg == nil {
		return h
	}
	h.Cgroup = criu.Cgroup{Freezer: cg.Freezer()}
	if saved := cg.Saved(); saved != nil {
		for _, p := range saved.Hierarchies {
			h.Cgroup.Places = append(h.Cgroup.Places, criu.Place{Controllers: p.Controllers, Mount: p.Mount, Path: p.Path})
		}
	}
	return h
}
