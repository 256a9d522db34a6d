package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"mydocker/internal/cgroups"
	"mydocker/internal/criu"
	"mydocker/internal/fault"
	"mydocker/internal/progress"
	"mydocker/internal/rawfile"
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
	host.Await = func(first, second int) (bool, error) {
		ready, err := catcher.AwaitEither(first, second)
		if err != nil {
			catcher.Again()
		}
		return ready, err
	}
	// Who deletes the container meanwhile, or kills its processes, is not kept waiting until all pages are fetched.
	served := false
	host.Serving = func() {
		served = true
		c.unlock()
	}
	said := progress.Start(func() string { return "container " + c.rec.ID + ": criu saves it" })
	err = o.Dump(c.rec.Init.Pid, spec, host)
	said()
	if served {
		gone, lockErr := c.relock()
		if gone || lockErr != nil {
			return errors.Join(err, lockErr)
		}
	}
	if err != nil {
		c.settle(status, served)
		return err
	}
	if o.LeaveRunning || o.PreDump {
		return nil
	}
	if err := c.keepConfig(o.ImagePath); err != nil {
		return err
	}
	if !c.dying() && !c.waitEnd() {
		return nil // a configuration file of criu has it run on
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

// settle has the processes run, or stand still, as they did before: a criu that has ended too early has not done so. It
// freezes them while it begins, and thaws them long before it serves pages: who has frozen them then is somebody else.
func (c *Container) settle(status string, served bool) {
	cg := c.cgroup()
	if cg == nil {
		return
	}
	frozen, err := cg.Frozen()
	switch {
	case err != nil:
	case status == Running && frozen && !served:
		err = cg.Thaw()
	case status == Paused && !frozen:
		err = cg.Freeze()
	}
	if err != nil {
		logrus.Warnf("container %s may not be %s as it was: %v", c.rec.ID, status, err)
	}
}

// keepConfig puts the configuration of a container without a bundle, which ends with the state directory, beside the
// images: they are then its bundle.
func (c *Container) keepConfig(images string) error {
	if c.rec.Bundle != filepath.Clean(c.path("")) {
		return nil
	}
	config, err := rawfile.Read(c.path(configFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(images, configFile), config, 0o600)
	}
	if err != nil {
		return fault.New(fault.StateDirectory, "", fmt.Errorf("keep the configuration: %w", err))
	}
	logrus.Infof("the container had no bundle: `restore --bundle %s` takes its config.json from there", images)
	return nil
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
	h := &criu.Host{Bundle: c.rec.Bundle, Rootfs: rootfs(spec, c.rec.Bundle)}
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
