package libinit

import (
	"context"
	"fmt"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
	"mydocker/internal/hooks"
	"mydocker/internal/jsondoc"
)

// RunHooks runs the hooks of a kind inside: createContainer before pivot_root, in the runtime's view of the files, and
// startContainer in the container's (runtime-spec, config.md, "Hooks").
type RunHooks struct {
	Kind  string
	Hooks []specs.Hook
	Dir   string // their working directory, "" for init's own
}

func (p *planner) createContainerHooks() error {
	if h := p.spec.Hooks; h != nil && len(h.CreateContainer) > 0 {
		p.add("hooks.createContainer", &RunHooks{Kind: "createContainer", Hooks: h.CreateContainer, Dir: p.opts.Bundle})
	}
	return nil
}

func (p *planner) startContainerHooks() {
	if h := p.spec.Hooks; h != nil && len(h.StartContainer) > 0 {
		p.add("hooks.startContainer", &RunHooks{Kind: "startContainer", Hooks: h.StartContainer})
	}
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
	return hooks.Run(context.Background(), h.Hooks, h.Kind, &state, h.Dir)
}
