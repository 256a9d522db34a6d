package container

import (
	"mydocker/internal/cgroups"
	"mydocker/internal/fault"
	"mydocker/internal/rdt"
	"mydocker/libinit"
)

// Problems are all errors that create would meet before it makes anything. What create does with them is to return the
// first.
func (s *Store) Problems(o *CreateOptions) []error {
	b := &creation{opts: o, spec: o.Spec}
	ns, wrong := lookForNamespaces(b.spec, openNamespace)
	defer ns.close()
	b.ns = ns
	privileged := RootOfHost()
	options := s.cgroupOptions(o.ID, b.spec, privileged)
	wrong = append(wrong, cgroups.Problems(b.spec, options)...)
	var err error
	if b.cg, err = cgroups.New(b.spec, options); err != nil {
		b.cg = &cgroups.Cgroup{}
	}
	wrong = append(wrong, libinit.Problems(b.spec, b.planOptions(s, privileged))...)
	if b.spec.Linux.IntelRdt != nil {
		if err := rdt.Check(); err != nil {
			wrong = append(wrong, err)
		}
	}
	for i := range wrong {
		wrong[i] = fault.During(fault.Prepare, wrong[i])
	}
	return wrong
}
