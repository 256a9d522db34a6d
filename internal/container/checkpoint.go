package container

import (
	"errors"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

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
	host.Await = patient(catcher, o)
	said := progress.Start(func() string { return "container " + c.rec.ID + ": criu saves it" })
	err = o.Dump(c.rec.Init.Pid, spec, host)
	said()
	if err != nil {
		return err
	}
	if o.LeaveRunning || o.PreDump {
		return nil
	}
	return c.stopAndDestroy()
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

// patient waits for criu whatever signals come: a criu that is killed in the middle leaves processes with its code
// inside. Only one that serves pages until somebody has fetched them may be ended.
func patient(catcher *signals.Catcher, o *criu.Options) func(fd int) error {
	if o.LazyPages {
		return catcher.Await
	}
	var none *signals.Catcher
	return none.Await
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
