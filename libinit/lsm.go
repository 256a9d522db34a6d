package libinit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Label sets the security label that the program gets at execve, before which it has no effect.
type Label struct{ AppArmor, SELinux string }

func (p *planner) label() {
	c := p.spec.Process
	if c.ApparmorProfile != "" && !p.opts.AppArmor {
		p.bad(fault.Hint(fault.New(fault.LSM, "process.apparmorProfile",
			errors.New("apparmor profile is specified in config, but apparmor is disabled or not supported")),
			"leave the profile out, or boot with apparmor=1 and lsm=…,apparmor"))
	}
	if c.SelinuxLabel != "" && !p.opts.SELinux {
		p.bad(noSELinux("process.selinuxLabel"))
	}
	if c.ApparmorProfile != "" || c.SelinuxLabel != "" {
		p.add("process", &Label{AppArmor: c.ApparmorProfile, SELinux: c.SelinuxLabel})
	}
}

func noSELinux(field string) error {
	return fault.Hint(fault.New(fault.LSM, field, errors.New("selinux label is specified in config, but selinux is disabled or not supported")),
		"leave the label out, or boot with selinux=1 and selinuxfs mounted writable at /sys/fs/selinux")
}

func (l *Label) String() string {
	if l.AppArmor != "" && l.SELinux != "" {
		return fmt.Sprintf("set labels: apparmor %s, selinux %s", l.AppArmor, l.SELinux)
	}
	return "set label " + l.AppArmor + l.SELinux
}

// Do writes the label to this thread's own attributes, in a procfs of init's own (CVE-2019-16884).
func (l *Label) Do(e *Env) error {
	if l.AppArmor != "" {
		err := e.writeAttr("apparmor/exec", "exec "+l.AppArmor)
		if errors.Is(err, unix.ENOENT) { // before Linux 5.8, when it could not be stacked
			err = e.writeAttr("exec", "exec "+l.AppArmor)
		}
		if errors.Is(err, unix.ENOENT) {
			err = fault.Hint(fmt.Errorf("apply apparmor profile %s: %w", l.AppArmor, err), "load the profile first: apparmor_parser -r FILE")
		}
		if err != nil {
			return fault.New(fault.LSM, "process.apparmorProfile", fmt.Errorf("unable to apply apparmor profile: %w", err))
		}
	}
	if l.SELinux != "" {
		if err := e.writeAttr("exec", l.SELinux); err != nil {
			return fault.New(fault.LSM, "process.selinuxLabel", fmt.Errorf("unable to apply selinux label %s: %w", l.SELinux, err))
		}
	}
	return nil
}

// writeAttr writes an attribute of this thread below /proc/PID/task/TID/attr.
func (e *Env) writeAttr(name, value string) error {
	proc, err := e.Proc()
	if err != nil {
		return err
	}
	return writeIn(int(proc.Fd()), fmt.Sprintf("%d/task/%d/attr/%s", os.Getpid(), unix.Gettid(), name), value)
}
