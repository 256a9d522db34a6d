package check

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/bundle"
	"mydocker/internal/container"
	"mydocker/internal/fault"
	"mydocker/internal/hooks"
	"mydocker/internal/netdev"
	"mydocker/internal/spawn"
	"mydocker/libinit"
)

// host looks for what this host cannot do.
func (c *checker) host() {
	c.rlimits()
	c.tight()
	c.oomScore()
	c.hooks()
	c.capabilities()
	c.namespaces()
	c.netDevices()
	c.listener()
}

// holds tells whether the caller has a capability.
func holds(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[capability/32].Effective&(1<<(capability%32)) != 0
}

// rlimits looks for hard limits above the caller's, which take a capability (setrlimit(2)).
func (c *checker) rlimits() {
	if c.spec.Process == nil || holds(unix.CAP_SYS_RESOURCE) {
		return
	}
	for i, l := range c.spec.Process.Rlimits {
		var own unix.Rlimit
		number, known := container.RlimitNumber(l.Type)
		if known && unix.Prlimit(0, number, nil, &own) == nil && l.Hard > own.Max {
			c.wrong(fault.At("process.rlimits["+itoa(i)+"]", container.RlimitError(l.Type, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, unix.EPERM)))
		}
	}
}

// tight looks for limits with which few programs can do anything: the signal that ends them says nothing of a limit.
func (c *checker) tight() {
	const least = 1 << 20
	if r := c.spec.Linux.Resources; r != nil && r.Memory != nil && r.Memory.Limit != nil && *r.Memory.Limit > 0 && *r.Memory.Limit < least {
		c.doubt(fault.Hint(fault.New(fault.Doubtful, "linux.resources.memory.limit",
			fmt.Errorf("linux.resources.memory.limit: %d bytes are few: the kernel kills what reaches them", *r.Memory.Limit)),
			"the value is in bytes; most programs need megabytes"))
	}
	if c.spec.Process == nil {
		return
	}
	for i, l := range c.spec.Process.Rlimits {
		field := "process.rlimits[" + itoa(i) + "]"
		var hint string
		switch {
		case (l.Type == "RLIMIT_AS" || l.Type == "RLIMIT_DATA" || l.Type == "RLIMIT_STACK") && l.Soft < least:
			hint = "the value is in bytes; the kernel ends a program that does not fit by SIGSEGV"
		case l.Type == "RLIMIT_NPROC" && l.Soft < 2:
			hint = "it counts all processes and threads of the user, in all containers and on the host"
		case l.Type == "RLIMIT_NOFILE" && l.Soft < 4:
			hint = "it is one more than the highest descriptor: 0, 1 and 2 are the standard streams"
		case l.Type == "RLIMIT_CPU" && l.Soft < 1:
			hint = "the value is in seconds; the kernel ends the process at once"
		default:
			continue
		}
		c.doubt(fault.Hint(fault.New(fault.Doubtful, field, fmt.Errorf("%s: %s of %d leaves little for a program", field, l.Type, l.Soft)), hint))
	}
}

// oomScore is a doubt only: what the caller may go down to cannot be asked for.
func (c *checker) oomScore() {
	if c.spec.Process == nil || c.spec.Process.OOMScoreAdj == nil || holds(unix.CAP_SYS_RESOURCE) {
		return
	}
	b, err := os.ReadFile("/proc/self/oom_score_adj")
	own, parseErr := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || parseErr != nil || *c.spec.Process.OOMScoreAdj >= own {
		return
	}
	c.doubt(fault.Hint(fault.New(fault.Process, "process.oomScoreAdj",
		fmt.Errorf("process.oomScoreAdj: %d is below the caller's %d, which takes CAP_SYS_RESOURCE", *c.spec.Process.OOMScoreAdj, own)),
		"take the caller's value or a higher one"))
}

// hooks looks whether the programs are there. Those of startContainer are the container's.
func (c *checker) hooks() {
	for kind, list := range bundle.HooksOf(c.spec) {
		for i := range list {
			if kind == "startContainer" || !strings.HasPrefix(list[i].Path, "/") {
				continue
			}
			err := unix.Access(list[i].Path, unix.X_OK)
			if err == nil || err == unix.EACCES && !c.privileged {
				continue
			}
			problem := hooks.Missing(kind, i, list[i].Path, err)
			if kind == "poststop" { // it fails with a warning
				c.doubt(problem)
				continue
			}
			c.wrong(problem)
		}
	}
}

// capabilities looks for unknown ones, and for those that the caller cannot give: the container runs without.
func (c *checker) capabilities() {
	if c.spec.Process == nil || c.spec.Process.Capabilities == nil {
		return
	}
	caps := c.spec.Process.Capabilities
	for _, set := range []struct {
		name string
		list []string
	}{
		{"bounding", caps.Bounding}, {"effective", caps.Effective}, {"permitted", caps.Permitted},
		{"inheritable", caps.Inheritable}, {"ambient", caps.Ambient},
	} {
		for i, name := range set.list {
			field := fmt.Sprintf("process.capabilities.%s[%d]", set.name, i)
			if _, known := libinit.CapabilityNumber(name); !known {
				hint := bundle.Suggest(name, libinit.CapabilityNames())
				if hint == "" {
					hint = "remove it: capabilities(7) lists those that there are"
				}
				c.doubt(fault.Hint(fault.New(fault.Doubtful, field, fmt.Errorf("%s: unknown capability %q is ignored", field, name)), hint))
			}
		}
	}
	c.ambient(caps)
}

// ambient looks for capabilities that cannot be raised: they have to be permitted and inheritable (capabilities(7)).
func (c *checker) ambient(caps *specs.LinuxCapabilities) {
	for i, name := range caps.Ambient {
		if slices.Contains(caps.Permitted, name) && slices.Contains(caps.Inheritable, name) {
			continue
		}
		field := fmt.Sprintf("process.capabilities.ambient[%d]", i)
		c.doubt(fault.Hint(fault.New(fault.Doubtful, field, fmt.Errorf("%s: %s cannot be raised", field, name)),
			"add it to permitted and inheritable, too"))
	}
}

// namespaces looks for new ones that the kernel or its limits refuse.
func (c *checker) namespaces() {
	user := slices.ContainsFunc(c.spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	for _, ns := range c.spec.Linux.Namespaces {
		if ns.Path != "" || spawn.FlagOf(ns.Type) == 0 {
			continue
		}
		if err := spawn.Foresee(ns.Type, user); err != nil {
			c.wrong(fault.During(fault.Create, err))
		}
	}
}

// netDevices looks whether the devices are there to be moved.
func (c *checker) netDevices() {
	for _, name := range slices.Sorted(maps.Keys(c.spec.Linux.NetDevices)) {
		if _, err := os.Stat("/sys/class/net/" + name); os.IsNotExist(err) && !strings.Contains(name, "/") {
			c.wrong(fault.During(fault.Create, netdev.Missing(name)))
		}
	}
}

// listener looks whether the seccomp agent's socket is there.
func (c *checker) listener() {
	if s := c.spec.Linux.Seccomp; s != nil && s.ListenerPath != "" {
		if _, err := os.Stat(s.ListenerPath); os.IsNotExist(err) {
			c.wrong(container.AgentError(err))
		}
	}
}
