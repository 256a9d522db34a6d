package libinit

import (
	"errors"
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Hostname sets the name of the host in the uts namespace.
type Hostname struct{ Name string }

// Domainname sets its NIS domain name.
type Domainname struct{ Name string }

// maxName is __NEW_UTS_LEN of the kernel.
const maxName = 64

func (p *planner) names() error {
	for _, n := range []struct {
		field, name string
		step        Step
	}{
		{"hostname", p.spec.Hostname, &Hostname{p.spec.Hostname}},
		{"domainname", p.spec.Domainname, &Domainname{p.spec.Domainname}},
	} {
		switch {
		case n.name == "":
		case !p.hasNamespace(specs.UTSNamespace):
			p.bad(fault.Hint(fault.New(fault.Config, n.field, fmt.Errorf("unable to set %s without a private UTS namespace", n.field)),
				`add {"type": "uts"} to linux.namespaces`))
		case len(n.name) > maxName:
			p.bad(fault.New(fault.Config, n.field, fmt.Errorf("%s: %d bytes are more than the %d that the kernel takes", n.field, len(n.name), maxName)))
		default:
			p.add(n.field, n.step)
		}
	}
	return nil
}

func (h *Hostname) String() string { return "set hostname " + h.Name }

// Do calls sethostname(2).
func (h *Hostname) Do(*Env) error { return stepError(h, unix.Sethostname([]byte(h.Name))) }

func (d *Domainname) String() string { return "set domain name " + d.Name }

// Do calls setdomainname(2).
func (d *Domainname) Do(*Env) error { return stepError(d, unix.Setdomainname([]byte(d.Name))) }

// stepError says what failed in the step's own words.
func stepError(s Step, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Process, "", fmt.Errorf("%s: %w", s, err))
}

// Loopback brings up the loopback device of a new network namespace.
type Loopback struct{}

func (*Loopback) String() string { return "bring up loopback" }

// Do sets IFF_UP (netdevice(7)).
func (s *Loopback) Do(*Env) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return stepError(s, err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return stepError(s, err)
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return stepError(s, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r))
}
