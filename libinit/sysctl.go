package libinit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Sysctls writes kernel parameters, each a file below /proc/sys.
type Sysctls struct{ Set []Sysctl }

// Sysctl is one parameter: the path of its file below /proc/sys, and the value.
type Sysctl struct{ Path, Value string }

func (p *planner) sysctls() error {
	var s Sysctls
	// In order, so that of several that are wrong it is always the same one that is named.
	for _, name := range slices.Sorted(maps.Keys(p.spec.Linux.Sysctl)) {
		field := fmt.Sprintf("linux.sysctl[%q]", name)
		path, err := sysctlPath(name)
		if err == nil {
			err = p.checkSysctl(name, path)
		}
		if err != nil {
			p.bad(fault.Hint(fault.New(fault.Config, field, err), "only what belongs to a namespace of the container can be set: net.*, fs.mqueue.*, kernel.shm* and the like"))
			continue
		}
		s.Set = append(s.Set, Sysctl{path, p.spec.Linux.Sysctl[name]})
	}
	if len(s.Set) > 0 {
		sort.Slice(s.Set, func(i, j int) bool { return before(s.Set[i].Path, s.Set[j].Path) })
		p.add("linux.sysctl", &s)
	}
	return nil
}

// before orders parameters: the shallow ones come first. A write to net/ipv4/ip_forward sets every
// net/ipv4/conf/*/forwarding, and what the configuration says of one interface has to hold.
func before(a, b string) bool {
	if m, n := strings.Count(a, "/"), strings.Count(b, "/"); m != n {
		return m < n
	}
	return a < b
}

// sysctlPath is the path of a parameter's file. As sysctl(8) has it, the first separator of a name decides whether
// "." or "/" separates; the other one is then part of a name, as in net.ipv4.conf.eth0/1.
func sysctlPath(name string) (string, error) {
	path := name
	if i := strings.IndexAny(name, "./"); i >= 0 && name[i] == '.' {
		path = strings.NewReplacer(".", "/", "/", ".").Replace(name)
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("sysctl %q: malformed name", name)
		}
	}
	return path, nil
}

// ipcSysctls are those of the ipc namespace (ipc_namespaces(7)).
var ipcSysctls = []string{
	"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
	"kernel/shm_rmid_forced", "kernel/msg_next_id", "kernel/sem_next_id", "kernel/shm_next_id", "kernel/auto_msgmni",
}

// checkSysctl refuses what is the host's, not a namespace's.
func (p *planner) checkSysctl(name, path string) error {
	first, _, _ := strings.Cut(path, "/")
	var need specs.LinuxNamespaceType
	switch {
	case first == "net":
		need = specs.NetworkNamespace
	case strings.HasPrefix(path, "fs/mqueue/") || slices.Contains(ipcSysctls, path):
		need = specs.IPCNamespace
	case path == "kernel/domainname":
		need = specs.UTSNamespace
	case path == "kernel/hostname":
		if p.spec.Hostname != "" {
			return fmt.Errorf("sysctl %q conflicts with OCI field hostname", name)
		}
		need = specs.UTSNamespace
	case first == "user" && strings.HasPrefix(path, "user/max_"):
		need = specs.UserNamespace
	default:
		return fmt.Errorf("sysctl %q is not in a separate kernel namespace", name)
	}
	if !p.hasNamespace(need) || slices.Contains(p.opts.Shared, need) {
		return fmt.Errorf("sysctl %q is not in a separate kernel namespace: the container has no %s namespace of its own", name, need)
	}
	return nil
}

// name is the parameter's name with dots, unless one is part of a name.
func (c Sysctl) name() string {
	if strings.Contains(c.Path, ".") {
		return c.Path
	}
	return strings.ReplaceAll(c.Path, "/", ".")
}

func (s *Sysctls) String() string {
	names := make([]string, len(s.Set))
	for i, c := range s.Set {
		names[i] = c.name() + "=" + c.Value
	}
	return "set sysctl " + strings.Join(names, " ")
}

// Do writes them through a procfs of init's own.
func (s *Sysctls) Do(e *Env) error {
	proc, err := e.Proc()
	if err != nil {
		return err
	}
	for _, c := range s.Set {
		if err := writeIn(int(proc.Fd()), "sys/"+c.Path, c.Value); err != nil {
			err = fmt.Errorf("set sysctl %s to %q: %w", c.name(), c.Value, err)
			if errors.Is(err, unix.ENOENT) {
				err = fault.Hint(err, "this kernel has no such parameter, or its module is not loaded")
			}
			return fault.New(fault.Process, fmt.Sprintf("linux.sysctl[%q]", c.name()), err)
		}
	}
	return nil
}

// writeIn writes a file of a procfs. No link is followed.
func writeIn(dir int, path, value string) error {
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_WRONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte(value))
	if e := unix.Close(fd); err == nil {
		err = e
	}
	return err
}
