package cgroups

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	oci "github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/cgroups/devices"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/cgroups/manager"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

type ModeType int

const (
	V1 ModeType = iota + 1
	V2
)

func Mode() ModeType {
	if oci.IsCgroup2UnifiedMode() {
		return V2
	}
	return V1
}

type Options struct {
	ID, Path                       string
	Systemd, Rootless, UserSession bool
	Annotations                    map[string]string
}
type Saved struct {
	Paths map[string]string
}
type Stats struct{}
type Cgroup struct {
	m      oci.Manager
	config *oci.Cgroup
}

func New(spec *specs.Spec, o *Options) (*Cgroup, error) {
	path := o.Path
	if path == "" {
		path = "/" + o.ID
	}
	r := &oci.Resources{}
	for _, d := range []devices.Rule{
		{Type: 'a', Major: -1, Minor: -1, Permissions: "rwm", Allow: false},
		{Type: 'c', Major: 1, Minor: 3, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 1, Minor: 5, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 1, Minor: 7, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 1, Minor: 8, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 1, Minor: 9, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 5, Minor: 0, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 5, Minor: 2, Permissions: "rwm", Allow: true},
		{Type: 'c', Major: 136, Minor: -1, Permissions: "rwm", Allow: true},
	} {
		r.Devices = append(r.Devices, &d)
	}
	if s := spec.Linux.Resources; s != nil {
		if s.Memory != nil && s.Memory.Limit != nil {
			r.Memory = *s.Memory.Limit
		}
		if s.Pids != nil {
			r.PidsLimit = s.Pids.Limit
		}
	}
	config := &oci.Cgroup{Path: path, Resources: r}
	m, err := manager.New(config)
	return &Cgroup{m, config}, err
}
func Load(s *Saved) (*Cgroup, error) {
	config := &oci.Cgroup{Resources: &oci.Resources{}}
	m, err := manager.NewWithPaths(config, s.Paths)
	return &Cgroup{m, config}, err
}
func (c *Cgroup) Saved() *Saved            { return &Saved{c.m.GetPaths()} }
func (c *Cgroup) Make() error              { return nil }
func (c *Cgroup) Dir() (*os.File, error)   { return nil, nil }
func (c *Cgroup) Join(pid int) error       { return c.m.Apply(pid) }
func (c *Cgroup) JoinLate(pid int) error   { return nil }
func (c *Cgroup) Set() error               { return c.m.Set(c.config.Resources) }
func (c *Cgroup) Explain(err error) error  { return err }
func (c *Cgroup) OOMKilled() (bool, error) { n, err := c.m.OOMKillCount(); return n > 0, err }
func (c *Cgroup) Pids() ([]int, error)     { return c.m.GetAllPids() }
func (c *Cgroup) Freeze() error            { return c.m.Freeze(oci.Frozen) }
func (c *Cgroup) Thaw() error              { return c.m.Freeze(oci.Thawed) }
func (c *Cgroup) Frozen() (bool, error) {
	s, err := c.m.GetFreezerState()
	return s == oci.Frozen, err
}
func (c *Cgroup) Kill(sig unix.Signal) error {
	pids, err := c.m.GetAllPids()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, p := range pids {
		_ = unix.Kill(p, sig)
	}
	return err
}
func (c *Cgroup) Delete() error { return c.m.Destroy() }
func (c *Cgroup) RelativePaths() map[string]string {
	all := map[string]string{}
	for k, v := range c.m.GetPaths() {
		all[k] = filepath.Base(v)
	}
	return all
}
func (c *Cgroup) Stats() (*Stats, error)                                { return nil, nil }
func (c *Cgroup) Update(*specs.LinuxResources) error                    { return nil }
func (c *Cgroup) WatchOOM(ctx context.Context) (<-chan struct{}, error) { return nil, nil }
func (c *Cgroup) ExecDir([]string) (*os.File, error)                    { return nil, nil }
func (c *Cgroup) ExecJoin(pid int, _ []string) error                    { return c.m.AddPid("", pid) }
