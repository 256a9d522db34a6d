package container

import (
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/lsm"
	"mydocker/internal/notify"
	"mydocker/libinit"
)

// planOptions collects what the plan depends on beside the spec.
func (b *creation) planOptions(s *Store, privileged bool) *libinit.Options {
	o := hostOptions(b.spec.Process, !privileged)
	o.NoPivot, o.NoNewKeyring = b.opts.NoPivot, b.opts.NoNewKeyring
	o.Debug = s.Debug
	o.Starts = b.opts.starts
	o.PreserveFDs = len(b.preserved)
	o.ListenFDs, o.ListenNames = listenFDs()
	if notifyAddress(b.spec) != "" {
		o.NotifySocket, o.NotifyDir = notify.Socket, filepath.Join(s.Root, b.opts.ID, notifyDir)
	}
	o.Bundle = b.opts.Bundle
	o.UserNamespace = b.ns.has(unix.CLONE_NEWUSER) || !privileged && os.Geteuid() == 0
	o.Cgroup = libinit.CgroupV1
	if cgroups.Mode() == cgroups.V2 {
		o.Cgroup = libinit.CgroupV2
	}
	o.CgroupPaths = b.cg.RelativePaths()
	if len(b.spec.Linux.Sysctl) > 0 {
		o.Shared = b.ns.callers()
	}
	if b.spec.Linux.MountLabel != "" {
		o.SELinux = lsm.SELinuxEnabled()
	}
	return o
}

// execPlanOptions is the same for a further process.
func (s *Store) execPlanOptions(x *execution) *libinit.Options {
	o := hostOptions(x.opts.Process, !x.privileged)
	o.Debug = s.Debug
	o.PreserveFDs = len(x.preserved)
	o.Bundle = x.rec.Bundle
	o.ListenFDs, o.ListenNames = listenFDs()
	return o
}

// hostOptions asks the host only what the process makes worth knowing: each question is a system call or three.
func hostOptions(p *specs.Process, rootless bool) *libinit.Options {
	o := &libinit.Options{RootlessCaller: rootless}
	if p != nil && p.ApparmorProfile != "" {
		o.AppArmor = lsm.AppArmorEnabled()
	}
	if p != nil && p.SelinuxLabel != "" {
		o.SELinux = lsm.SELinuxEnabled()
	}
	return o
}

// cgroupOptions are those of the container's cgroup.
func (s *Store) cgroupOptions(id string, spec *specs.Spec, privileged bool) *cgroups.Options {
	o := &cgroups.Options{
		ID: id, Path: spec.Linux.CgroupsPath, Systemd: s.Systemd, Annotations: spec.Annotations,
		Rootless:    s.Rootless == True || s.Rootless == Auto && !privileged,
		UserSession: s.Systemd && !privileged,
	}
	return o
}

func rootfs(spec *specs.Spec, bundle string) string {
	if filepath.IsAbs(spec.Root.Path) {
		return spec.Root.Path
	}
	return filepath.Join(bundle, spec.Root.Path)
}
