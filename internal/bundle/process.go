package bundle

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/fault"
)

// rlimitNames are those of setrlimit(2) on Linux.
var rlimitNames = []string{
	"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RSS", "RTPRIO",
	"RTTIME", "SIGPENDING", "STACK",
}

// ValidateProcess refuses a process that cannot be started anywhere. field is where it comes from.
func ValidateProcess(p *specs.Process, field string) error {
	if len(p.Args) == 0 {
		return fault.New(fault.Config, field+".args", errors.New("args must not be empty"))
	}
	if p.Args[0] == "" {
		return fault.New(fault.Config, field+".args[0]", errors.New("args must not be empty: the program has no name"))
	}
	if !filepath.IsAbs(p.Cwd) {
		return wrong(field+".cwd", "Cwd must be an absolute path: %q", p.Cwd)
	}
	for i, v := range p.Env {
		if !strings.Contains(v, "=") {
			return wrong(fmt.Sprintf("%s.env[%d]", field, i), "invalid environment variable: missing '=': %q", v)
		}
	}
	seen := map[string]bool{}
	for i, l := range p.Rlimits {
		at := fmt.Sprintf("%s.rlimits[%d]", field, i)
		switch {
		case !knownRlimit(l.Type):
			return wrong(at+".type", "wrong rlimit value: %s", l.Type)
		case seen[l.Type]:
			return wrong(at+".type", "%s: %s is there twice", at, l.Type)
		case l.Soft > l.Hard:
			return wrong(at+".soft", "%s.soft: %d is more than the hard limit %d", at, l.Soft, l.Hard)
		}
		seen[l.Type] = true
	}
	if score := p.OOMScoreAdj; score != nil && (*score < -1000 || *score > 1000) {
		return wrong(field+".oomScoreAdj", "%s.oomScoreAdj: %d is not in -1000…1000", field, *score)
	}
	if mask := p.User.Umask; mask != nil && *mask > 0o777 {
		return wrong(field+".user.umask", "%s.user.umask: %#o has more than permission bits", field, *mask)
	}
	if p.User.Username != "" {
		return wrong(field+".user.username", "%s.user.username is for Windows alone", field)
	}
	return nil
}

func knownRlimit(name string) bool {
	short, ok := strings.CutPrefix(name, "RLIMIT_")
	if !ok {
		return false
	}
	for _, n := range rlimitNames {
		if n == short {
			return true
		}
	}
	return false
}
