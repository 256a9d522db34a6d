package libinit

import specs "github.com/opencontainers/runtime-spec/specs-go"

// CgroupMode is the layout of the host's cgroup hierarchies.
type CgroupMode int

// Layouts of the cgroup hierarchies: v1 (with or without a v2 tree beside it), or v2 alone.
const (
	CgroupV1 CgroupMode = iota + 1
	CgroupV2
)

// Options are what a plan depends on beside the spec: flags of the command, and facts about the host. They are
// data, so that Plan stays pure and golden tests need no particular host.
type Options struct {
	NoPivot      bool
	NoNewKeyring bool
	Debug        bool // init logs its steps
	Starts       bool // start follows at once
	PreserveFDs  int
	ListenFDs    int    // of the preserved descriptors, how many are LISTEN_FDS (sd_listen_fds(3)); 0 without
	ListenNames  string // LISTEN_FDNAMES, their names
	NotifySocket string // path, inside the container, of the sd_notify socket; "" without
	NotifyDir    string // its directory on the host, to be bound; "" without

	Bundle string // absolute
	// UserNamespace says that init runs in a user namespace other than the host's: new, joined by path, or the
	// caller's own.
	UserNamespace bool
	// RootlessCaller says that the caller is not root of the initial user namespace.
	RootlessCaller bool
	// Shared are the namespaces that the configuration joins by path, but that are the caller's own: a kernel
	// parameter of theirs is the host's.
	Shared []specs.LinuxNamespaceType

	Cgroup      CgroupMode
	CgroupPaths map[string]string // v1: controller → the container's cgroup relative to its hierarchy's mount; v2: "" → path
	AppArmor    bool              // enabled in the kernel
	SELinux     bool
	Capability  int // the last capability of this kernel, capabilities(7) cap_last_cap
}
