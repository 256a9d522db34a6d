package libinit

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Plan is what init does to become the container's program, in order.
type Plan []Entry

// planner builds a plan. Each concern has a method of its own, beside its steps.
type planner struct {
	spec  *specs.Spec
	opts  *Options
	steps Plan
	wrong []error // what is wrong with the spec, in the order in which it is looked at

	mounted map[string]bool // the destinations of the mounts so far
}

// bad keeps what is wrong: planning goes on, to find the rest.
func (p *planner) bad(err error) {
	if err != nil {
		p.wrong = append(p.wrong, err)
	}
}

// add appends a step that field of the configuration asks for.
func (p *planner) add(field string, s Step) {
	p.steps = append(p.steps, Entry{Field: field, Step: s})
}

// NewPlan makes the plan of a container's init. It does no I/O; what is wrong with the spec, as far as it shows
// without looking at the host, is returned as a *fault.Error that names the field.
func NewPlan(spec *specs.Spec, opts *Options) (Plan, error) {
	return build(&planner{spec: spec, opts: opts}, containerParts()...)
}

// Problems are all errors of which NewPlan returns the first.
func Problems(spec *specs.Spec, opts *Options) []error {
	return planAll(&planner{spec: spec, opts: opts}, containerParts()...).wrong
}

func containerParts() []func(*planner) error {
	return []func(*planner) error{
		(*planner).trace,
		(*planner).rootfs,
		(*planner).mounts,
		(*planner).devices,
		(*planner).askHooks,
		(*planner).createContainerHooks,
		(*planner).pivot,
		(*planner).awaitLimits,
		(*planner).console,
		(*planner).names,
		(*planner).sysctls,
		(*planner).readonly,
		(*planner).mask,
		(*planner).process,
	}
}

// NewExecPlan makes the plan of a further process in a container. spec is the container's, process the new one's.
func NewExecPlan(spec *specs.Spec, process *specs.Process, opts *Options) (Plan, error) {
	s := *spec
	s.Process = process
	return build(&planner{spec: &s, opts: opts},
		(*planner).trace,
		(*planner).execRoot,
		(*planner).execConsole,
		(*planner).execProcess,
	)
}

func build(p *planner, parts ...func(*planner) error) (Plan, error) {
	planAll(p, parts...)
	if len(p.wrong) > 0 {
		return nil, p.wrong[0]
	}
	return p.steps, nil
}

// planAll goes on after the first error.
func planAll(p *planner, parts ...func(*planner) error) *planner {
	for _, part := range parts {
		p.bad(part(p))
	}
	return p
}
