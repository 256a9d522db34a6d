package bundle

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// rlimits are the types of setrlimit(2).
var rlimits = []string{
	"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
	"RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
	"RLIMIT_SIGPENDING", "RLIMIT_STACK",
}

// process checks the container's own. Without one a container can be created, not started.
func process(spec *specs.Spec, wrong report) {
	if spec.Process != nil {
		validateProcess(spec.Process, "process", wrong)
	}
}

// ValidateProcess checks what is not checked beside its use. field is the place of the process in errors.
func ValidateProcess(p *specs.Process, field string) error {
	return first(func(r report) { validateProcess(p, field, r) })
}

func validateProcess(p *specs.Process, field string, wrong report) {
	for _, list := range []struct {
		name   string
		values []string
	}{{"args", p.Args}, {"env", p.Env}} {
		for i, s := range list.values {
			if len(s) > maxString {
				tooLong(fmt.Sprintf("%s.%s[%d]", field, list.name, i), s, maxString, wrong)
			}
		}
	}
	tooLong(field+".cwd", p.Cwd, maxPath, wrong)
	if p.User.Umask != nil && *p.User.Umask > 0o777 {
		wrong(fault.Hint(bad(field+".user.umask", "%#o (decimal %d) has more than the permission bits 0777", *p.User.Umask, *p.User.Umask),
			"JSON has no octal numbers: 022 is 18"))
	}
	if s := p.OOMScoreAdj; s != nil && (*s < -1000 || *s > 1000) {
		wrong(fault.Expect("a number from -1000 (never killed) to 1000 (killed first)", bad(field+".oomScoreAdj", "%d is not in -1000 to 1000", *s)))
	}
	for i, l := range p.Rlimits {
		at := fmt.Sprintf("%s.rlimits[%d]", field, i)
		if !slices.Contains(rlimits, l.Type) {
			wrong(fault.Expect("one of "+strings.Join(rlimits, ", "), known(at+".type", "wrong rlimit value: %s; allowed are %s", l.Type, strings.Join(rlimits, ", "))))
		}
		if l.Soft > l.Hard {
			wrong(fault.Hint(bad(at, "the soft limit of %s, %d, is above the hard one, %d", l.Type, l.Soft, l.Hard), "the hard limit is how far the soft one may be raised"))
		}
		if slices.ContainsFunc(p.Rlimits[:i], func(o specs.POSIXRlimit) bool { return o.Type == l.Type }) {
			wrong(fault.Hint(bad(at+".type", "%s is there twice", l.Type), "remove one of the two"))
		}
	}
}
