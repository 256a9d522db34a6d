package container

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/cgroups"
	"mydocker/internal/explain"
	"mydocker/internal/sealed"
	"mydocker/internal/spawn"
	"mydocker/libinit"
)

// Explain says what Create, and then start and delete, would do. It leaves no trace, and needs no privilege: what is for
// root alone is explained as root's.
func (s *Store) Explain(o *CreateOptions) (*explain.Document, error) {
	privileged := RootOfHost()
	if !privileged && s.Rootless != True && !hasUserNamespace(o.Spec) {
		privileged = true
	}
	b := &creation{Container: &Container{store: s, rec: record{ID: o.ID}}, opts: o, spec: o.Spec, idmaps: idmaps{}}
	if err := b.prepare(s, privileged, openOrStandIn); err != nil {
		return nil, err
	}
	defer b.ns.close()
	d := &explain.Document{
		ID: o.ID, Bundle: o.Bundle, Rootfs: rootfs(o.Spec, o.Bundle), Caller: "root",
		Cgroups: "v" + strconv.Itoa(int(cgroups.Mode())),
	}
	if !privileged {
		d.Caller = "user " + strconv.Itoa(os.Geteuid()) + ", without root"
	}
	d.As(explain.Parent, "create")
	if err := b.say(d, makeSteps[:]); err != nil {
		return nil, err
	}
	b.sayPoststart(d)
	b.sayDelete(d)
	return d, nil
}

func hasUserNamespace(spec *specs.Spec) bool {
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type == specs.UserNamespace {
			return true
		}
	}
	return false
}

// openOrStandIn opens a namespace, or in the place of one that only root may open something else.
func openOrStandIn(path string, flag uintptr) (*os.File, error) {
	f, err := openNamespace(path, flag)
	if errors.Is(err, os.ErrPermission) {
		return standIn(path)
	}
	return f, err
}

// standIn is an open file of that name: what is explained is not done with it.
func standIn(name string) (*os.File, error) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (b *creation) sayBegin(d *explain.Document) error {
	d.Add("", "make state directory "+b.path("")+" and lock it")
	d.Add("", "write "+stateFile+" and "+configFile+" to it")
	return nil
}

func (b *creation) sayMakeNotifyDir(d *explain.Document) error {
	if b.options.NotifyDir != "" {
		d.Add("", "make directory "+b.options.NotifyDir+" for the notify socket")
	}
	return nil
}

func (b *creation) sayMakeFIFOs(d *explain.Document) error {
	d.Add("", "make FIFO "+b.path(execFIFO)+", on which init waits for start")
	d.Add("", "make FIFO "+b.path(reportFIFO)+", on which start hears from init")
	return nil
}

func (b *creation) saySeal(d *explain.Document) error {
	text := "seal a copy of mydocker, to be executed as " + libinit.Name
	if b.options.UserNamespace {
		text += ", that only the host's root can read"
	}
	d.Add("", text)
	return nil
}

// saySpawn says what the child would run, with files that stand for those that a start would have.
func (b *creation) saySpawn(d *explain.Document) (err error) {
	var files [6]*os.File
	dir, outside := b.cg.Entered()
	for i, name := range [...]string{libinit.Name, execFIFO, reportFIFO, "socket", dir, outside} {
		if name == "" {
			continue
		}
		if files[i], err = standIn(name); err != nil {
			return err
		}
		defer files[i].Close()
	}
	b.self, b.gate, b.report = &sealed.Copy{File: files[0]}, files[1], files[2]
	ops, err := b.command(files[3], files[4], files[5]).Explain()
	if err != nil {
		return err
	}
	for i := range ops {
		if err := b.sayOp(d, ops, i); err != nil {
			return err
		}
	}
	b.sayScored(d, true)
	return nil
}

func (b *creation) sayOp(d *explain.Document, ops []spawn.Op, i int) error {
	o := &ops[i]
	switch o.Task {
	case spawn.Place:
		if err := b.say(d, placeSteps[:]); err != nil {
			return err
		}
		b.sayScored(d, false)
		return nil
	case spawn.Map:
		b.sayMapped(d)
		return nil
	case spawn.Offsets:
		d.As(explain.Parent, "create")
		d.Add("linux.timeOffsets", "write timens_offsets", textParts(string(timeOffsets(b.spec.Linux.TimeOffsets)))...)
		return nil
	}
	if i > 0 && ops[i-1].Text == o.Text {
		return nil // descriptors are closed in two goes
	}
	d.As(explain.Child, "create")
	if i == 0 {
		d.As(explain.Parent, "create")
	}
	field, parts := b.namespaceFields(o.Flags)
	d.Add(field, o.Text, parts...)
	d.As(explain.Parent, "create")
	return nil
}

// namespaceFields are the fields that ask for namespaces: one, or each with the namespace.
func (b *creation) namespaceFields(flags uintptr) (string, []explain.Part) {
	var parts []explain.Part
	for i, ns := range b.spec.Linux.Namespaces {
		if flags&spawn.FlagOf(ns.Type) != 0 {
			parts = append(parts, explain.Part{Text: string(ns.Type) + " namespace", Field: fmt.Sprintf("linux.namespaces[%d]", i)})
		}
	}
	switch len(parts) {
	case 0:
		return "", nil
	case 1:
		return parts[0].Field, nil
	}
	return "linux.namespaces", parts
}

// sayMapped says what Mapped writes.
func (b *creation) sayMapped(d *explain.Document) {
	d.As(explain.Parent, "create")
	l := b.spec.Linux
	for _, m := range spawn.ExplainMaps(l.UIDMappings, l.GIDMappings, !b.options.RootlessCaller) {
		d.Add(m.Field, m.Text, textParts(m.Lines)...)
	}
}

// saySendPlan has nothing to say: the plan is said where it is done.
func (b *creation) saySendPlan(*explain.Document) error { return nil }

// sayServe says the steps of init, and between them what the runtime does when init asks.
func (b *creation) sayServe(d *explain.Document) error {
	phase := "create"
	for i := range b.plan {
		e := &b.plan[i]
		d.As(explain.Init, phase)
		s := d.Add(e.Field, e.Step.String())
		s.Kind, s.Data = reflect.TypeOf(e.Step).Elem().Name(), e.Step
		for _, p := range libinit.Parts(e.Step) {
			s.Parts = append(s.Parts, explain.Part{Text: p})
		}
		var answer []step
		switch e.Step.(type) {
		case *libinit.AskLimits:
			answer = limitSteps[:]
		case *libinit.AskHooks:
			answer = append(limitSteps[:], hookSteps[:]...)
		case *libinit.AskReady:
			answer = readySteps[:]
		case *libinit.Wait:
			d.As(explain.Parent, "create")
			if err := b.say(d, finishSteps[:]); err != nil {
				return err
			}
			phase = "start"
			d.As(explain.Parent, phase)
			b.sayStart(d)
		}
		d.As(explain.Parent, phase)
		if err := b.say(d, answer); err != nil {
			return err
		}
	}
	return nil
}
