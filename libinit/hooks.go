package libinit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
	"mydocker/internal/hooks"
	"mydocker/internal/jsondoc"
	"mydocker/internal/seccomp"
)

// RunHooks runs the hooks of a kind inside: createContainer before pivot_root, in the runtime's view of the files, and
// startContainer in the container's (runtime-spec, config.md, "Hooks").
type RunHooks struct {
	Kind    string
	Hooks   []specs.Hook
	InRoot  bool     // they begin in the root filesystem, which is not / yet
	Env     []string // of hooks that have no environment of their own
	SetHome bool     // HOME in it is what the step Home has found
}

func (p *planner) createContainerHooks() error {
	if h := p.spec.Hooks; h != nil && len(h.CreateContainer) > 0 {
		p.add("hooks.createContainer", &RunHooks{Kind: "createContainer", Hooks: h.CreateContainer, InRoot: true})
	}
	return nil
}

// startContainerHooks plans them under the filter, and returns what is left for Exec to load. A hook without an
// environment gets the program's.
func (p *planner) startContainerHooks(filter *seccomp.Filter, env []string, setHome bool) *seccomp.Filter {
	h := p.spec.Hooks
	if h == nil || len(h.StartContainer) == 0 {
		return filter
	}
	if filter != nil {
		p.add("linux.seccomp", &Filter{*filter})
	}
	p.add("hooks.startContainer", &RunHooks{Kind: "startContainer", Hooks: h.StartContainer, Env: env, SetHome: setHome})
	return nil
}

func (h *RunHooks) String() string {
	names := make([]string, len(h.Hooks))
	for i := range h.Hooks {
		names[i] = filepath.Base(h.Hooks[i].Path)
	}
	return fmt.Sprintf("run %s hooks %v", h.Kind, names)
}

// Do runs them in order.
func (h *RunHooks) Do(e *Env) error {
	var state specs.State
	if err := jsondoc.Decode(e.state, &state); err != nil {
		return fault.New(fault.Internal, "", err)
	}
	if e.Conn == nil {
		state.Status = specs.StateCreated
	}
	// Here it is the pid as the container sees it (runtime.md, "State").
	state.Pid = os.Getpid()
	if h.InRoot {
		if err := unix.Fchdir(int(e.Root.Fd())); err != nil {
			return os.NewSyscallError("fchdir", err)
		}
	}
	place := &hooks.Place{Env: h.Env}
	if h.SetHome {
		place.Env = append(place.Env, "HOME="+e.home)
	}
	if err := place.Run(context.Background(), h.Hooks, h.Kind, &state); err != nil || e.Conn != nil {
		return err
	}
	_, err := e.report.Write([]byte{hooksByte})
	return err
}
