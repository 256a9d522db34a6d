package libinit

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// processKinds lists those of the process.
func processKinds() []Step {
	return []Step{
		(*Trace)(nil), (*Note)(nil), (*AskHooks)(nil), (*AskLimits)(nil), (*AwaitLimits)(nil), (*AskReady)(nil),
		(*RunHooks)(nil), (*Hostname)(nil), (*Domainname)(nil), (*Loopback)(nil), (*Sysctls)(nil), (*Console)(nil),
		(*NullStreams)(nil), (*Keyring)(nil), (*Personality)(nil), (*Umask)(nil), (*NoNewPrivileges)(nil),
		(*Scheduler)(nil), (*IOPriority)(nil), (*MemoryPolicy)(nil), (*Affinity)(nil), (*Label)(nil), (*User)(nil),
		(*Home)(nil), (*Cwd)(nil), (*Bounding)(nil), (*Capabilities)(nil), (*Lookup)(nil), (*Filter)(nil), (*Wait)(nil),
		(*Exec)(nil),
	}
}

// process plans how init becomes the program.
func (p *planner) process() error {
	p.keyring()
	if p.makesNamespace(specs.NetworkNamespace) {
		p.add("linux.namespaces", &Loopback{})
	}
	if p.spec.Process == nil {
		p.add("", &AskReady{})
		p.add("", &Wait{Long: !p.opts.Starts})
		return nil
	}
	for _, part := range []func() error{p.personality, p.scheduler, p.ioPriority, p.memoryPolicy} {
		p.bad(part())
	}
	p.bad(checkAffinity(p.spec.Process))
	if s := p.spec.Process.Scheduler; s == nil || schedPolicies()[s.Policy] != schedPolicies()[specs.SchedDeadline] {
		p.add("", &Affinity{})
	}
	return p.become(true)
}

// execProcess does the same for a further process.
func (p *planner) execProcess() error {
	p.keyring()
	for _, part := range []func() error{p.personality, p.scheduler, p.ioPriority, p.memoryPolicy} {
		p.bad(part())
	}
	p.bad(p.execAffinity())
	return p.become(false)
}

// become plans what init and a further process have in common: from privilege to program.
func (p *planner) become(first bool) error {
	c := p.spec.Process
	args := c.Args
	if len(args) == 0 {
		args = []string{""}
		p.bad(fault.Hint(fault.New(fault.Config, "process.args", errors.New("args must not be empty")), `name the program, as ["sh"]`))
	}
	if c.CommandLine != "" {
		p.bad(fault.New(fault.Config, "process.commandLine", errors.New("commandLine is for Windows alone")))
	}
	env, hasHome, err := environ(p.withSockets(c.Env))
	p.bad(err)
	if u := c.User.Umask; u != nil {
		p.add("process.user.umask", &Umask{*u})
	}
	p.bad(p.cwd(first))
	if !hasHome {
		p.add("process.env", &Home{c.User.UID})
	}
	p.label()
	bounding, capabilities := p.planCapabilities()
	p.add("process.capabilities.bounding", bounding)
	p.add("", &AskReady{})
	p.add("process.user", &User{UID: c.User.UID, GID: c.User.GID, Groups: c.User.AdditionalGids})
	p.add("process.capabilities", capabilities)
	if c.NoNewPrivileges {
		p.add("process.noNewPrivileges", &NoNewPrivileges{})
	}
	p.add("process.args[0]", &Lookup{Name: args[0], Path: lookupEnv(env, "PATH")})
	filter, err := p.planFilter()
	if err != nil {
		return err
	}
	p.noteFilter(filter)
	if filter != nil && filter.Notify {
		p.add("linux.seccomp", &Filter{*filter})
		filter = nil
	}
	if first {
		p.add("", &Wait{Long: !p.opts.Starts})
		filter = p.startContainerHooks(filter, env, !hasHome)
	}
	p.add("process.args", &Exec{Args: args, Env: env, SetHome: !hasHome, ListenPID: p.opts.ListenFDs > 0, Filter: filter})
	return nil
}

// keyring gives the process a session keyring of its own.
func (p *planner) keyring() {
	if !p.opts.NoNewKeyring {
		label := ""
		if c := p.spec.Process; c != nil && p.opts.SELinux {
			label = c.SelinuxLabel
		}
		p.add("", &Keyring{label})
	}
}

// makesNamespace tells whether the container has a new namespace of this type.
func (p *planner) makesNamespace(kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(p.spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == kind && n.Path == ""
	})
}

// environ checks the environment and leaves of several variables of one name the last.
func environ(list []string) (env []string, hasHome bool, err error) {
	last := make(map[string]int, len(list))
	for i, v := range list {
		name, value, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "":
			err := errors.New("invalid environment variable: missing '='")
			if ok {
				err = fmt.Errorf("invalid environment variable: %q has no name", v)
			}
			return nil, false, fault.Expect("NAME=VALUE", fault.New(fault.Config, fmt.Sprintf("process.env[%d]", i), err))
		case strings.ContainsRune(v, 0):
			return nil, false, fault.New(fault.Config, fmt.Sprintf("process.env[%d]", i),
				errors.New("invalid environment variable: it contains a NUL byte"))
		}
		last[name] = i
		if name == "HOME" {
			hasHome = value != ""
		}
	}
	env = make([]string, 0, len(last)+3)
	for i, v := range list {
		name, _, _ := strings.Cut(v, "=")
		if last[name] == i && (name != "HOME" || hasHome) {
			env = append(env, v)
		}
	}
	return env, hasHome, nil
}

func lookupEnv(env []string, name string) string {
	for _, v := range env {
		if n, value, _ := strings.Cut(v, "="); n == name {
			return value
		}
	}
	return ""
}

// withSockets adds to an environment what tells the program of the sockets that it inherits (sd_listen_fds(3)), and of
// its manager's (sd_notify(3)). Exec adds LISTEN_PID.
func (p *planner) withSockets(env []string) []string {
	env = slices.Clip(env)
	if p.opts.ListenFDs > 0 {
		env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "LISTEN_PID=") })
		env = append(env, "LISTEN_FDS="+strconv.Itoa(p.opts.ListenFDs))
		if p.opts.ListenNames != "" {
			env = append(env, "LISTEN_FDNAMES="+p.opts.ListenNames)
		}
	}
	if p.opts.NotifySocket != "" {
		env = append(env, "NOTIFY_SOCKET="+p.opts.NotifySocket)
	}
	return env
}
