package container

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"mydocker/internal/cgroups"
	"mydocker/internal/explain"
	"mydocker/internal/rdt"
)

func textParts(lines string) (parts []explain.Part) {
	for line := range strings.Lines(lines) {
		parts = append(parts, explain.Part{Text: strings.TrimSuffix(line, "\n")})
	}
	return parts
}

const pathField = "linux.cgroupsPath"

func (b *creation) sayMakeCgroup(d *explain.Document) error {
	dirs, spare := b.cg.Directories()
	if len(dirs) == 0 {
		return nil
	}
	parts := make([]explain.Part, len(dirs))
	for i, dir := range dirs {
		parts[i].Text = dir
		if spare[i] {
			parts[i].Text += " (if it can be made)"
		}
	}
	d.Add(pathField, "make the cgroup, a directory in each hierarchy", parts...)
	if uid, ok := b.cg.Owner(); ok {
		d.Add("linux.uidMappings", "give the cgroup to user "+strconv.Itoa(uid))
	}
	return nil
}

func (b *creation) sayMakeRDT(d *explain.Document) error {
	l := b.spec.Linux.IntelRdt
	if l == nil {
		return nil
	}
	group := l.ClosID
	if group == "" {
		group = b.opts.ID
	}
	d.Add("linux.intelRdt", "make or take resctrl group "+group, textParts(rdt.Schemata(l))...)
	return nil
}

func (b *creation) sayJoinCgroup(d *explain.Document) error {
	d.As(explain.Parent, "create")
	if unit, slice := b.cg.Unit(); unit != "" {
		if slice == "" {
			slice = "its default slice"
		}
		d.Add(pathField, "have systemd start unit "+unit+" in "+slice+" with the child in it")
		return nil
	}
	joins(d, b.cg.Joins(false))
	return nil
}

// joins says which cgroup.procs files get the number of the process.
func joins(d *explain.Document, files []string) {
	if len(files) == 0 {
		return
	}
	parts := make([]explain.Part, len(files))
	for i, f := range files {
		parts[i].Text = filepath.Dir(f)
	}
	d.Add(pathField, "move the process into the cgroup: write its number to cgroup.procs", parts...)
}

func (b *creation) sayJoinRDT(d *explain.Document) error {
	if b.spec.Linux.IntelRdt != nil {
		d.Add("linux.intelRdt", "move the process into the resctrl group")
	}
	return nil
}

// sayScored says what startScored does when the child has been placed, or at the end.
func (b *creation) sayScored(d *explain.Document, end bool) {
	if p := b.spec.Process; p != nil && p.OOMScoreAdj != nil && end != b.options.RootlessCaller {
		d.As(explain.Parent, "create")
		d.Add("process.oomScoreAdj", "write oom_score_adj "+strconv.Itoa(*p.OOMScoreAdj))
	}
}

func (b *creation) saySetLimits(d *explain.Document) error {
	now, _, err := b.cg.Limits()
	if err != nil {
		return err
	}
	sayWrites(d, "set limits", now)
	rules := b.cg.Rules()
	if unit, _ := b.cg.Unit(); unit == "" && cgroups.Mode() == cgroups.V1 {
		sayWrites(d, "set device rules", rules)
		return nil
	}
	parts := make([]explain.Part, len(rules))
	for i, r := range rules {
		parts[i] = explain.Part{Text: strings.TrimPrefix(filepath.Ext(r.File), ".") + " " + r.Value, Field: r.Field}
	}
	d.Add("linux.resources.devices", "attach a program with the device rules to the cgroup", parts...)
	return nil
}

func sayWrites(d *explain.Document, text string, writes []cgroups.Write) {
	if len(writes) == 0 {
		return
	}
	field := writes[0].Field
	parts := make([]explain.Part, len(writes))
	for i, w := range writes {
		parts[i] = explain.Part{Text: w.File + " = " + w.Value, Field: w.Field}
		if w.Field != field {
			field = "linux.resources"
		}
	}
	d.Add(field, text, parts...)
}

func (b *creation) sayMoveNetDevices(d *explain.Document) error {
	devices := b.spec.Linux.NetDevices
	for _, from := range slices.Sorted(maps.Keys(devices)) {
		text := "move network device " + from + " into the network namespace"
		if to := devices[from].Name; to != "" {
			text += " as " + to
		}
		d.Add(fmt.Sprintf("linux.netDevices[%q]", from), text)
	}
	return nil
}

func (b *creation) sayPrestart(d *explain.Document) error {
	if h := b.spec.Hooks; h != nil {
		sayHooks(d, "prestart", h.Prestart) //nolint:staticcheck // deprecated, not gone
	}
	return nil
}

func (b *creation) sayCreateRuntime(d *explain.Document) error {
	if h := b.spec.Hooks; h != nil {
		sayHooks(d, "createRuntime", h.CreateRuntime)
	}
	return nil
}

func sayHooks(d *explain.Document, kind string, list []specs.Hook) {
	for i := range list {
		h := &list[i]
		text := "run " + kind + " hook " + h.Path
		if len(h.Args) > 1 {
			text += " " + strings.Join(h.Args[1:], " ")
		}
		if h.Timeout != nil {
			text += fmt.Sprintf(" for at most %d s", *h.Timeout)
		}
		d.Add(fmt.Sprintf("hooks.%s[%d]", kind, i), text)
	}
}

func (b *creation) sayJoinLate(d *explain.Document) error {
	_, late, err := b.cg.Limits()
	if err != nil {
		return err
	}
	sayWrites(d, "set limits that init itself does not fit in", late)
	joins(d, b.cg.Joins(true))
	return nil
}

func (b *creation) saySetRlimits(d *explain.Document) error {
	list, err := rlimitsOf(b.spec.Process)
	if err != nil {
		return err
	}
	for _, l := range list {
		d.Add(l.field, fmt.Sprintf("set %s to soft %s, hard %s", l.name, rlimitText(l.limit.Cur), rlimitText(l.limit.Max)))
	}
	return nil
}

func rlimitText(n uint64) string {
	if n == 1<<64-1 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func (b *creation) sayWriteReady(d *explain.Document) error {
	d.Add("", "write "+stateFile+": the container is created when init closes its socket")
	return nil
}

func (b *creation) sayHandPidfd(d *explain.Document) error {
	if b.opts.PidfdSocket != "" {
		d.Add("", "send a pidfd of init to "+b.opts.PidfdSocket)
	}
	return nil
}

func (b *creation) sayWritePid(d *explain.Document) error {
	if b.opts.PidFile != "" {
		d.Add("", "write init's number to "+b.opts.PidFile)
	}
	return nil
}

// sayStart says what start does for an init that waits.
func (b *creation) sayStart(d *explain.Document) {
	if b.options.NotifyDir != "" {
		d.Add("", "listen on the notify socket, for the service manager")
	}
	d.Add("", "write a byte to "+execFIFO+", remove it, and read "+reportFIFO+" until init has executed the program")
}

func (b *creation) sayPoststart(d *explain.Document) {
	if h := b.spec.Hooks; h != nil {
		d.As(explain.Parent, "start")
		sayHooks(d, "poststart", h.Poststart)
	}
}

// sayDelete says what is done when the program has ended.
func (b *creation) sayDelete(d *explain.Document) {
	d.As(explain.Parent, "delete")
	if unit, _ := b.cg.Unit(); unit != "" {
		d.Add(pathField, "have systemd stop unit "+unit)
	} else if dirs, _ := b.cg.Directories(); len(dirs) > 0 {
		d.Add(pathField, "kill what is left in the cgroup, and remove it")
	}
	if b.spec.Linux.IntelRdt != nil {
		d.Add("linux.intelRdt", "remove the resctrl group")
	}
	d.Add("", "remove "+b.path(""))
	if h := b.spec.Hooks; h != nil {
		sayHooks(d, "poststop", h.Poststop)
	}
}
