package container

import (
	"bytes"
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
	return c.locked(func() error { return c.checkpoint(o) })
}

func (c *Container) checkpoint(o *criu.Options) error {
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
	catcher, err := signals.Catch()
	if err != nil {
		return err
	}
	defer catcher.Stop()
	host := c.criuHost(c.cgroup(), spec)
	host.Await = func(first, second int) (bool, error) {
		ready, err := catcher.AwaitEither(first, second)
		if err != nil {
			catcher.Again()
		}
		return ready, err
	}
	served := false
	host.Saved = func(serves bool) error {
		err := c.keepConfig(o.ImagePath)
		if err == nil && serves {
			// Who deletes the container now, or kills its processes, is not kept waiting until all pages are fetched.
			served = true
			c.unlock()
		}
		return err
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
	switch {
	case err != nil:
		c.settle(status, served)
		return err
	case o.LeaveRunning || o.PreDump:
		return nil
	case !c.dying() && !c.waitEnd() && !c.dying():
		logrus.Info("criu has left the container running, as a configuration file of it says")
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
// images: they are then its bundle. It covers no other configuration that is there.
func (c *Container) keepConfig(images string) error {
	if !c.isOwnBundle() {
		return nil
	}
	to := filepath.Join(images, configFile)
	config, err := rawfile.Read(c.path(configFile))
	if err == nil {
		err = writeNew(to, config)
	}
	if err != nil {
		return fault.Hint(fault.New(fault.StateDirectory, "", fmt.Errorf("keep the configuration of a container without a bundle: %w", err)),
			"give an --image-path without the config.json of another container")
	}
	logrus.Infof("the container had no bundle: `restore --bundle %s` takes its config.json from there", images)
	return nil
}

// isOwnBundle tells whether the state directory stands for the bundle.
func (c *Container) isOwnBundle() bool {
	own, err := c.dir.Stat()
	if err != nil {
		return false
	}
	bundle, err := os.Stat(c.rec.Bundle)
	return err == nil && os.SameFile(own, bundle)
}

// writeNew writes a file that is not there yet, or has the same content.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		if now, readErr := os.ReadFile(path); readErr == nil && bytes.Equal(now, content) {
			return nil
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
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
