package criu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Options are those of a checkpoint or a restore, by the names of the flags. criu(8) explains what they do.
type Options struct {
	ImagePath  string // the directory of the image files, absolute
	WorkPath   string // that of criu's logs and statistics; empty is ImagePath
	ParentPath string // the directory of an earlier pre-dump, relative to ImagePath

	LeaveRunning    bool
	TCPEstablished  bool
	TCPSkipInFlight bool
	LinkRemap       bool
	ExtUnixSk       bool
	ShellJob        bool
	LazyPages       bool
	FileLocks       bool
	PreDump         bool
	AutoDedup       bool

	StatusFD        int    // where criu says that lazy pages can be fetched, -1 for none
	PageServer      string // ADDRESS:PORT
	ManageCgroups   string // soft, full, strict or ignore; empty is soft
	EmptyNamespaces []string
	LSMProfile      string
	LSMMountContext string
}

// Host are the facts of the container that are not in its configuration.
type Host struct {
	Bundle string
	Rootfs string
	Cgroup Cgroup
	Notify string // the host's directory of the notify socket, where NotifyAt is in the container
	// NotifyAt is where it is mounted.
	NotifyAt string
	// Await waits until one of two descriptors can be read, and tells whether it is the first. Its error, that of a
	// signal, has criu give up; when it is called again it waits for a further signal.
	Await func(first, second int) (bool, error)
	// Saved says that all is saved, or that criu serves the rest, lazy pages, from now on. After an error the processes run on.
	Saved func(serves bool) error
}

// Cgroup is the container's place in each hierarchy.
type Cgroup struct {
	Places  []Place
	Freezer string // the directory of the cgroup by which processes are frozen, "" for none
}

// Place is a cgroup in one hierarchy.
type Place struct {
	Controllers []string // none for the v2 tree
	Mount       string   // where the hierarchy is mounted on the host
	Path        string   // in it
}

// Check tells what is wrong with the options.
func (o *Options) Check() error {
	if _, err := o.cgroupMode(); err != nil {
		return err
	}
	if _, err := o.emptyNamespaces(); err != nil {
		return err
	}
	if _, err := o.pageServer(); err != nil {
		return err
	}
	if filepath.IsAbs(o.ParentPath) {
		return fault.New(fault.Usage, "", fmt.Errorf("invalid --parent-path %s: it has to be relative to --image-path", o.ParentPath))
	}
	if o.StatusFD >= 0 {
		if _, err := unix.FcntlInt(uintptr(o.StatusFD), unix.F_GETFD, 0); err != nil {
			return fault.New(fault.Usage, "", fmt.Errorf("invalid --status-fd %d: %w", o.StatusFD, err))
		}
	}
	return nil
}

// cgroupMode is how much of the cgroups criu saves and restores.
func (o *Options) cgroupMode() (rpc.CriuCgMode, error) {
	switch o.ManageCgroups {
	case "", "soft":
		return rpc.CriuCgMode_SOFT, nil
	case "full":
		return rpc.CriuCgMode_FULL, nil
	case "strict":
		return rpc.CriuCgMode_STRICT, nil
	case "ignore":
		return rpc.CriuCgMode_IGNORE, nil
	}
	return 0, fault.New(fault.Usage, "", fmt.Errorf("invalid --manage-cgroups-mode %q: soft, full, strict and ignore are allowed", o.ManageCgroups))
}

// IgnoreCgroups tells whether criu leaves the processes in the cgroup in which it runs itself.
func (o *Options) IgnoreCgroups() bool { return o.ManageCgroups == "ignore" }

// emptyNamespaces are the CLONE_NEW* flags of the namespaces whose content is left out.
func (o *Options) emptyNamespaces() (flags uint32, err error) {
	for _, ns := range o.EmptyNamespaces {
		if ns != string(specs.NetworkNamespace) {
			return 0, fault.New(fault.Usage, "", fmt.Errorf("invalid --empty-ns %q: only %s is allowed", ns, specs.NetworkNamespace))
		}
		flags |= unix.CLONE_NEWNET
	}
	return flags, nil
}

func (o *Options) pageServer() (*rpc.CriuPageServerInfo, error) {
	if o.PageServer == "" {
		return nil, nil
	}
	host, service, err := net.SplitHostPort(o.PageServer)
	if err == nil && host == "" {
		err = errors.New("no address")
	}
	var port uint64
	if err == nil {
		port, err = strconv.ParseUint(service, 10, 16)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "", fmt.Errorf("invalid --page-server %q: ADDRESS:PORT is needed: %w", o.PageServer, err))
	}
	number := int32(port)
	return &rpc.CriuPageServerInfo{Address: &host, Port: &number}, nil
}

func ptr[T any](v T) *T { return &v }

// common makes what every request has, and a call for it.
func (o *Options) common(kind rpc.CriuReqType, log string, spec *specs.Spec, h *Host) (*call, error) {
	work := o.WorkPath
	if work == "" {
		work = o.ImagePath
	}
	mode, err := o.cgroupMode()
	if err != nil {
		return nil, err
	}
	empty, err := o.emptyNamespaces()
	if err != nil {
		return nil, err
	}
	// A terminal that is the caller's comes from its standard input. With this criu would send a master of its own.
	orphan := !o.ShellJob || spec.Process != nil && spec.Process.Terminal
	opts := &rpc.CriuOpts{
		LogFile: &log, LogLevel: ptr(int32(4)), NotifyScripts: ptr(true), OrphanPtsMaster: &orphan,
		TcpEstablished: &o.TCPEstablished, ExtUnixSk: &o.ExtUnixSk, ShellJob: &o.ShellJob, FileLocks: &o.FileLocks,
		AutoDedup: &o.AutoDedup, LazyPages: &o.LazyPages, EmptyNs: &empty,
		ManageCgroups: ptr(true), ManageCgroupsMode: &mode,
	}
	c := &call{kind: kind, opts: opts, images: o.ImagePath, work: work, await: h.Await}
	if opts.ConfigFile, err = configFile(spec.Annotations); err != nil {
		return nil, err
	}
	if opts.ConfigFile != nil {
		if c.settings, err = readSettings(*opts.ConfigFile); err != nil {
			return nil, err
		}
	}
	c.log = c.logPath(work, log)
	if o.ShellJob {
		c.stdin = os.Stdin
	}
	return c, nil
}
