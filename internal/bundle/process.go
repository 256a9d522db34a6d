package bundle

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// rlimits are the types of setrlimit(2).
var rlimits = []string{
	"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING", "RLIMIT_STACK",
}

// process checks the container's own. Without one a container can be created, not started.
func process(spec *specs.Spec) error {
	if spec.Process == nil {
		return nil
	}
	return ValidateProcess(spec.Process, "process")
}

// ValidateProcess checks what is not checked beside its use. field is the place of the process in errors.
func ValidateProcess(p *specs.Process, field string) error {
	for _, list := range []struct {
		name   string
		values []string
	}{{"args", p.Args}, {"env", p.Env}} {
		for i, s := range list.values {
			if err := tooLong(fmt.Sprintf("%s.%s[%d]", field, list.name, i), s, maxString); err != nil {
				return err
			}
		}
	}
	if err := tooLong(field+".cwd", p.Cwd, maxPath); err != nil {
		return err
	}
	if p.User.Umask != nil && *p.User.Umask > 0o777 {
		return bad(field+".user.umask", "%#o (decimal %d) has more than the permission bits 0777", *p.User.Umask, *p.User.Umask)
	}
	if s := p.OOMScoreAdj; s != nil && (*s < -1000 || *s > 1000) {
		return bad(field+".oomScoreAdj", "%d is not in -1000 to 1000", *s)
	}
	for i, l := range p.Rlimits {
		at := fmt.Sprintf("%s.rlimits[%d]", field, i)
		if !slices.Contains(rlimits, l.Type) {
			return known(at+".type", "wrong rlimit value: %s; allowed are %s", l.Type, strings.Join(rlimits, ", "))
		}
		if l.Soft > l.Hard {
			return bad(at, "the soft limit of %s, %d, is above the hard one, %d", l.Type, l.Soft, l.Hard)
		}
		if slices.ContainsFunc(p.Rlimits[:i], func(o specs.POSIXRlimit) bool { return o.Type == l.Type }) {
			return bad(at+".type", "%s is there twice", l.Type)
		}
	}
	return nil
}
