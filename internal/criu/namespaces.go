package criu

import (
	"fmt"
	"os"
	"strconv"

	"github.com/checkpoint-restore/go-criu/v8/rpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// keyOf is the name in the images of a namespace that is given from outside, and that of its file in /proc/PID/ns. The
// keys are runc's: images can be restored by both.
func keyOf(t specs.LinuxNamespaceType) (key, file string) {
	switch t {
	case specs.NetworkNamespace:
		return "extRootNetNS", "net"
	case specs.PIDNamespace:
		return "extRootPidNS", "pid"
	}
	return "", ""
}

// joinName is criu's name for a namespace that it joins by path at a restore.
func joinName(t specs.LinuxNamespaceType) string {
	switch t {
	case specs.IPCNamespace, specs.UTSNamespace, specs.UserNamespace, specs.TimeNamespace:
		return string(t)
	}
	return ""
}

func errGiven(i int, t specs.LinuxNamespaceType) error {
	err := fmt.Errorf("criu cannot restore into a %s namespace that is given by path", t)
	return fault.New(fault.Unsupported, fmt.Sprintf("linux.namespaces[%d].path", i), err)
}

// externalNamespaces tells criu which namespaces of the process are not the container's own: their content is not
// saved.
func externalNamespaces(pid int, spec *specs.Spec) (external []string, err error) {
	for i, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			continue
		}
		key, name := keyOf(ns.Type)
		if key == "" {
			if joinName(ns.Type) == "" {
				return nil, errGiven(i, ns.Type)
			}
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/"+name, &st); err != nil {
			return nil, fault.New(fault.Namespace, "", fmt.Errorf("find %s namespace: %w", ns.Type, err))
		}
		external = append(external, fmt.Sprintf("%s[%d]:%s", name, st.Ino, key))
	}
	return external, nil
}

// restoreNamespaces gives criu the namespaces that are given by path. The files stay open until close.
func (c *call) restoreNamespaces(spec *specs.Spec) (close func(), err error) {
	var files []*os.File
	close = func() { closeAll(files) }
	for i, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			continue
		}
		if name := joinName(ns.Type); name != "" {
			c.opts.JoinNs = append(c.opts.JoinNs, &rpc.JoinNamespace{Ns: &name, NsFile: ptr(ns.Path)})
			continue
		}
		key, _ := keyOf(ns.Type)
		if key == "" {
			close()
			return nil, errGiven(i, ns.Type)
		}
		f, err := os.Open(ns.Path)
		if err != nil {
			close()
			return nil, fault.New(fault.Namespace, fmt.Sprintf("linux.namespaces[%d].path", i), fmt.Errorf("open %s namespace: %w", ns.Type, err))
		}
		files = append(files, f)
		c.opts.InheritFd = append(c.opts.InheritFd, &rpc.InheritFd{Key: &key, Fd: ptr(c.inherit(f))})
	}
	return close, nil
}
