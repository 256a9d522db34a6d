package generate

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
	"mydocker/internal/size"
)

// Options change a configuration as the flags of spec and run say. What is empty or nil changes nothing.
type Options struct {
	Args     []string // the program and its arguments
	Rootfs   string
	Writable bool // the root filesystem
	Hostname string
	Env      []string // NAME=VALUE; the last of a name wins
	Cwd      string
	UID, GID *uint32
	Terminal *bool
	Network  string   // "none": a network namespace with nothing but loopback; "host": the host's
	Volumes  []string // SOURCE:DESTINATION[:OPTION,…]
	Memory   string   // bytes, or with a unit
	CPUs     string   // number of CPUs, as "0.5"
	Pids     *int64   // number of processes; -1 is no limit
}

// Apply applies the options to spec.
func (o *Options) Apply(spec *specs.Spec) error {
	p := spec.Process
	if len(o.Args) > 0 {
		p.Args = o.Args
	}
	if o.Hostname != "" {
		spec.Hostname = o.Hostname
	}
	if o.Cwd != "" {
		p.Cwd = o.Cwd
	}
	if o.Terminal != nil {
		p.Terminal = *o.Terminal
	}
	o.user(spec)
	for _, step := range []func(*specs.Spec) error{o.root, o.env, o.network, o.volumes, o.resources} {
		if err := step(spec); err != nil {
			return err
		}
	}
	return nil
}

func usage(format string, args ...any) error {
	return fault.New(fault.Usage, "", fmt.Errorf(format, args...))
}

// root sets the root filesystem. The host's own is never writable, and gets the directories of its own that hide
// the sockets of the host's services.
func (o *Options) root(spec *specs.Spec) error {
	if o.Rootfs == "" {
		spec.Root.Readonly = spec.Root.Readonly && !o.Writable
		return nil
	}
	path, err := filepath.Abs(o.Rootfs)
	if err != nil {
		return err
	}
	spec.Root.Path = path
	if path != "/" {
		spec.Root.Readonly = !o.Writable
		return nil
	}
	if o.Writable {
		return fault.Hint(usage("the host's root filesystem cannot be made writable"), "use --volume to make one directory writable")
	}
	spec.Root.Readonly = true
	// What the host mounts later is not to turn up in the container.
	spec.Linux.RootfsPropagation = "rprivate"
	for _, m := range []specs.Mount{
		{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
	} {
		if _, err := os.Stat(m.Destination); err == nil {
			spec.Mounts = append(spec.Mounts, m)
		}
	}
	return nil
}

// user sets the user. A rootless container has one user, whatever its number inside.
func (o *Options) user(spec *specs.Spec) {
	if o.UID == nil {
		return
	}
	u, l := &spec.Process.User, spec.Linux
	u.UID, u.GID = *o.UID, *o.UID
	if o.GID != nil {
		u.GID = *o.GID
	}
	if len(l.UIDMappings) == 1 && len(l.GIDMappings) == 1 {
		l.UIDMappings[0].ContainerID, l.GIDMappings[0].ContainerID = u.UID, u.GID
	}
}

func (o *Options) env(spec *specs.Spec) error {
	for _, e := range o.Env {
		name, _, ok := strings.Cut(e, "=")
		if !ok {
			// As env(1) and others have it, a bare name passes on the caller's value.
			value, set := os.LookupEnv(name)
			if !set {
				return usage("--env %s: missing '=', and there is no such variable to pass on", e)
			}
			e = name + "=" + value
		}
		p := spec.Process
		if i := slices.IndexFunc(p.Env, func(s string) bool { return strings.HasPrefix(s, name+"=") }); i >= 0 {
			p.Env[i] = e
		} else {
			p.Env = append(p.Env, e)
		}
	}
	return nil
}

func (o *Options) network(spec *specs.Spec) error {
	l := spec.Linux
	isNetwork := func(ns specs.LinuxNamespace) bool { return ns.Type == specs.NetworkNamespace }
	isUser := func(ns specs.LinuxNamespace) bool { return ns.Type == specs.UserNamespace }
	sys := slices.IndexFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == "/sys" })
	switch o.Network {
	case "":
	case "host":
		l.Namespaces = slices.DeleteFunc(l.Namespaces, isNetwork)
		if sys >= 0 && slices.ContainsFunc(l.Namespaces, isUser) {
			spec.Mounts[sys] = hostSys("/sys")
		}
	case "none":
		if !slices.ContainsFunc(l.Namespaces, isNetwork) {
			l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
		}
		if sys >= 0 {
			spec.Mounts[sys] = ownSys()
		}
	default:
		return usage("--network %s: allowed are none (loopback only) and host", o.Network)
	}
	return nil
}

func (o *Options) volumes(spec *specs.Spec) error {
	for _, v := range o.Volumes {
		parts := strings.SplitN(v, ":", 3)
		if len(parts) < 2 || parts[0] == "" || !filepath.IsAbs(parts[1]) {
			return usage("--volume %s: it must be SOURCE:DESTINATION[:OPTION,…], with an absolute destination", v)
		}
		if filepath.Clean(parts[1]) == "/" {
			return fault.Hint(usage("--volume %s: it would cover the root filesystem", v), "--rootfs gives that")
		}
		source, err := filepath.Abs(parts[0])
		if err != nil {
			return err
		}
		m := specs.Mount{Destination: filepath.Clean(parts[1]), Type: "bind", Source: source, Options: []string{"rbind", "rprivate"}}
		if len(parts) == 3 {
			m.Options = append(m.Options, strings.Split(parts[2], ",")...)
		}
		if err := o.canMountAt(spec, m.Destination); err != nil {
			return err
		}
		spec.Mounts = append(spec.Mounts, m)
	}
	return nil
}

// canMountAt keeps mount points from being made in the host's root filesystem.
func (o *Options) canMountAt(spec *specs.Spec, destination string) error {
	if spec.Root.Path != "/" {
		return nil
	}
	for _, own := range []string{"/tmp", "/run", "/dev"} {
		if strings.HasPrefix(destination, own+"/") {
			return nil
		}
	}
	_, err := os.Stat(destination)
	if errors.Is(err, os.ErrNotExist) {
		err = usage("--volume: %s is not there, and is not made in the host's root filesystem", destination)
		return fault.Hint(err, "mount it on a directory that exists, or below /tmp")
	}
	return nil
}

// period is how long a CPU quota is for, in microseconds: the kernel's default.
const period = 100_000

func (o *Options) resources(spec *specs.Spec) error {
	if o.Memory == "" && o.CPUs == "" && o.Pids == nil {
		return nil
	}
	if spec.Linux.Resources == nil {
		spec.Linux.Resources = &specs.LinuxResources{}
	}
	r := spec.Linux.Resources
	if o.Memory != "" {
		limit, err := size.Parse(o.Memory)
		if err != nil || limit == 0 || limit < -1 {
			return usage("--memory %s: it must be a number of bytes, as 64m, or -1 for no limit", o.Memory)
		}
		r.Memory = &specs.LinuxMemory{Limit: &limit}
	}
	if o.CPUs != "" {
		n, err := strconv.ParseFloat(o.CPUs, 64)
		if err != nil || !(n >= 0.01 && n <= 1<<20) {
			return usage("--cpus %s: it must be a number of CPUs from 0.01 on, as 1.5", o.CPUs)
		}
		quota, each := int64(math.Round(n*period)), uint64(period)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: &each}
	}
	if o.Pids != nil {
		if *o.Pids < -1 || *o.Pids == 0 {
			return usage("--pids %d: it must be a number of processes, or -1 for no limit", *o.Pids)
		}
		r.Pids = &specs.LinuxPids{Limit: o.Pids}
	}
	return nil
}
