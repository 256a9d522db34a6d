package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/rawfile"
	"mydocker/internal/spawn"
)

// namespaces are what a container has of its own: made new, or joined by path.
type namespaces struct {
	fresh uintptr // CLONE_NEW* flags
	joins []spawn.Join
}

// has tells whether the container is in a namespace of this type other than the caller's.
func (n *namespaces) has(flag uintptr) bool { return (n.fresh|n.joined())&flag != 0 }

// joined are the CLONE_NEW* flags of the namespaces that are given by path.
func (n *namespaces) joined() (flags uintptr) {
	for _, j := range n.joins {
		flags |= spawn.FlagOf(j.Type)
	}
	return flags
}

// callers are the joined namespaces that are this process's own.
func (n *namespaces) callers() (types []specs.LinuxNamespaceType) {
	for _, j := range n.joins {
		name := string(j.Type)
		switch j.Type {
		case specs.NetworkNamespace:
			name = "net"
		case specs.MountNamespace:
			name = "mnt"
		}
		var own, joined unix.Stat_t
		if unix.Stat("/proc/self/ns/"+name, &own) == nil && unix.Fstat(int(j.File.Fd()), &joined) == nil &&
			own.Dev == joined.Dev && own.Ino == joined.Ino {
			types = append(types, j.Type)
		}
	}
	return types
}

func (n *namespaces) close() {
	for _, j := range n.joins {
		_ = j.File.Close()
	}
}

// opener opens a namespace of the type of a CLONE_NEW* flag.
type opener func(path string, flag uintptr) (*os.File, error)

// openNamespaces opens the namespaces that are given by path, once: a path may lead elsewhere later.
func openNamespaces(spec *specs.Spec, open opener) (*namespaces, error) {
	n, wrong := lookForNamespaces(spec, open)
	if len(wrong) > 0 {
		n.close()
		return nil, wrong[0]
	}
	return n, nil
}

func lookForNamespaces(spec *specs.Spec, open opener) (n *namespaces, wrong []error) {
	n = &namespaces{}
	for i, ns := range spec.Linux.Namespaces {
		field := fmt.Sprintf("linux.namespaces[%d]", i)
		flag := spawn.FlagOf(ns.Type)
		if flag == 0 {
			wrong = append(wrong, fault.New(fault.Config, field+".type", fmt.Errorf("namespace {%q %q} does not exist", ns.Type, ns.Path)))
			continue
		}
		if ns.Path == "" {
			n.fresh |= flag
			continue
		}
		f, err := open(ns.Path, flag)
		if err != nil {
			wrong = append(wrong, fault.Hint(fault.New(fault.Namespace, field+".path", fmt.Errorf("open %s namespace: %w", ns.Type, err)),
				"a path below /proc is there as long as the process, one that is bound as long as its mount"))
			continue
		}
		n.joins = append(n.joins, spawn.Join{Type: ns.Type, File: f})
	}
	return n, wrong
}

func openNamespace(path string, flag uintptr) (*os.File, error) {
	f, err := rawfile.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: not a namespace", path)
	}
	if uintptr(kind) != flag {
		_ = f.Close()
		return nil, fmt.Errorf("%s: a namespace of another type", path)
	}
	return f, nil
}

// RootOfHost tells whether the caller is root of the initial user namespace, which may do without maps, delegation
// and the like. The initial user namespace is the one that maps every ID.
func RootOfHost() bool {
	if os.Geteuid() != 0 {
		return false
	}
	b, err := rawfile.Read("/proc/self/uid_map")
	if errors.Is(err, os.ErrNotExist) {
		return true // a kernel without user namespaces
	}
	var inside, outside, size uint64
	_, scanned := fmt.Sscan(string(b), &inside, &outside, &size)
	return err == nil && scanned == nil && inside == 0 && outside == 0 && size == 1<<32-1
}

// sameNamespace tells whether a process is in the caller's namespace of a kind that /proc/PID/ns names, or there are none.
func sameNamespace(kind string, pid int) bool {
	own, err := os.Stat("/proc/self/ns/" + kind)
	if err != nil {
		return true // a kernel without
	}
	its, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
	return err == nil && os.SameFile(own, its)
}
