package cgroups

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	systemddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	lib "github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/systemd"

	"mydocker/internal/fault"
)

// PropertyPrefix begins the annotations that set properties of the container's systemd unit, when the systemd driver
// is asked for. Such a property can do anything that systemd can do to a unit, so `features` lists the prefix under
// potentiallyUnsafeConfigAnnotations (features.md), by which engines know not to pass such annotations on from
// whom they do not trust.
const PropertyPrefix = "org.systemd.property."

// answerWait is how long systemd may take. Its jobs have a limit of their own in the library, 30 s.
const answerWait = 45 * time.Second

// silent says that systemd has not answered in that time: what cleans up after it does not wait again.
var silent atomic.Bool

// placeUnit sets the unit, and the path that systemd will give it.
func (c *Cgroup) placeUnit(o *Options) error {
	if !systemd.IsRunningSystemd() {
		return fault.Hint(fault.New(fault.Unsupported, "", errors.New("systemd not running on this host, cannot use systemd cgroups manager")),
			"leave out --systemd-cgroup")
	}
	unit, err := parseUnit(o.Path, o.ID)
	if err != nil {
		return err
	}
	unit.User = o.UserSession
	c.saved.Unit = unit
	if unit.User && c.saved.Layout == V1 {
		return c.withoutUnit()
	}
	config := c.libConfig()
	if config.SystemdProps, err = properties(o.Annotations); err != nil {
		return err
	}
	config.SystemdProps = append(config.SystemdProps, c.weightProperties(c.resources)...)
	config.OwnerUID = c.owner
	if c.saved.Layout == V2 {
		m, err := c.library()
		if err != nil {
			return err
		}
		c.main().Path = strings.TrimPrefix(m.Path(""), root)
		return nil
	}
	slice, err := expandSlice(unit.Slice)
	if err != nil {
		return fault.New(fault.Config, pathField, err)
	}
	for i := range c.saved.Hierarchies {
		c.saved.Hierarchies[i].Path = strings.TrimSuffix(slice, "/") + "/" + unit.String()
	}
	return nil
}

// withoutUnit is for a user's systemd on v1, to which nothing can be delegated.
func (c *Cgroup) withoutUnit() error {
	err := errors.New("cannot use rootless systemd cgroups manager on cgroup v1")
	if c.given || c.limited {
		return fault.New(fault.Unsupported, pathField, fmt.Errorf("%w: %w", errRootless, err))
	}
	c.saved.Unit, c.saved.Hierarchies = nil, nil
	return nil
}

func expandSlice(slice string) (string, error) {
	if slice == "" {
		slice = "system.slice"
	}
	return systemd.ExpandSlice(slice)
}

// systemd returns the library's manager of the unit. Its name for the user's own systemd is "rootless". To make one takes
// a lock that a call which is not answered keeps.
func (c *Cgroup) systemd() (lib.Manager, error) {
	u, config := c.saved.Unit, c.libConfig()
	config.Systemd = true
	config.Name, config.Parent, config.ScopePrefix, config.Path = u.Name, u.Slice, u.Prefix, ""
	config.Rootless = u.User
	made := make(chan lib.Manager, 1)
	err := c.answered("reach", func() error {
		m, err := c.newManager(config)
		if err == nil {
			made <- m
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-made, nil
}

func (c *Cgroup) newManager(config *lib.Cgroup) (lib.Manager, error) {
	if c.saved.Layout == V1 {
		return systemd.NewLegacyManager(config, c.Paths())
	}
	dir := ""
	if h := c.main(); h.Path != "" {
		dir = h.dir()
	}
	return systemd.NewUnifiedManager(config, dir)
}

// ownDevices has the library's managers set device rules as is done here without it. Where they have none to
// set, as when they start a unit, they leave what is there.
func ownDevices() {
	lib.DevicesSetV1 = func(dir string, r *lib.Resources) error {
		if r.SkipDevices || len(r.Devices) == 0 {
			return nil
		}
		return fromLibrary(r.Devices).changeRules(dir)
	}
	lib.DevicesSetV2 = func(dir string, r *lib.Resources) error {
		if r.SkipDevices || len(r.Devices) == 0 {
			return nil
		}
		return fromLibrary(r.Devices).attachProgram(dir, false)
	}
	systemd.GenerateDeviceProps = func(r *lib.Resources, _ int) ([]systemddbus.Property, error) {
		if r.SkipDevices || len(r.Devices) == 0 {
			return nil, nil
		}
		return fromLibrary(r.Devices).properties(), nil
	}
}

// answered runs what waits for systemd, which the library does without limit. The call that is not answered is left
// behind: the program is about to end.
func (c *Cgroup) answered(do string, f func() error) error {
	if c.saved.Unit == nil {
		return f()
	}
	silence := fault.Hint(fault.New(fault.Timeout, "", fmt.Errorf("%s systemd unit %s: no answer on D-Bus in %s", do, c.saved.Unit, answerWait)),
		"see whether `systemctl status` answers")
	if silent.Load() {
		return silence
	}
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(answerWait)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		silent.Store(true)
		return silence
	}
}

// startUnit makes the unit with init in it.
func (c *Cgroup) startUnit(pid int) error {
	m, err := c.library()
	if err != nil {
		return err
	}
	err = c.answered("start", func() error { return m.Apply(pid) })
	if err == nil {
		return nil
	}
	if fault.Of(err).Code != "" {
		return err
	}
	return fault.Hint(fault.New(fault.Cgroup, pathField, fmt.Errorf("unable to apply cgroup configuration: %w", err)), "see `journalctl -u "+c.saved.Unit.String()+"`")
}

// stopUnit has systemd stop the unit, and forget it if it has failed.
func (c *Cgroup) stopUnit() error {
	m, err := c.library()
	if err != nil {
		return err
	}
	if err := c.answered("stop", m.Destroy); err != nil {
		return fault.New(fault.Cgroup, "", err)
	}
	return nil
}

// weightProperties is what the library does not tell systemd, which then writes its default over the value: the
// weight of block I/O on v2.
func (c *Cgroup) weightProperties(r *lib.Resources) []systemddbus.Property {
	if c.saved.Layout != V2 || r.BlkioWeight == 0 {
		return nil
	}
	return []systemddbus.Property{{Name: "IOWeight", Value: dbus.MakeVariant(lib.ConvertBlkIOToIOWeightValue(r.BlkioWeight))}}
}

// updateUnit tells systemd of an update what the library does not.
func (c *Cgroup) updateUnit(r *lib.Resources) error {
	if c.saved.Unit == nil {
		return nil
	}
	changed := c.weightProperties(r)
	if len(changed) == 0 {
		return nil
	}
	return c.askSystemd("set the limits of", func(ctx context.Context, conn *systemddbus.Conn) error {
		return conn.SetUnitPropertiesContext(ctx, c.saved.Unit.String(), true, changed...)
	})
}

// ownPeriod is the period of a CPU quota without limit, which is to be kept when r is set; "" if there is none. For such a
// quota systemd has a period of its own.
func (c *Cgroup) ownPeriod(r *lib.Resources) string {
	const systemds = "100000"
	if c.saved.Unit == nil || c.saved.Layout != V2 || r.CpuQuota > 0 {
		return ""
	}
	if r.CpuPeriod != 0 {
		return strconv.FormatUint(r.CpuPeriod, 10)
	}
	now, err := readFile(c.main().dir() + "/cpu.max")
	if period, ok := strings.CutPrefix(now, "max "); err == nil && ok && period != systemds {
		return period
	}
	return ""
}

// keepPeriod writes what ownPeriod has found once more: systemd writes its own some time after it was told of any limit. When
// it answers a question it has done so.
func (c *Cgroup) keepPeriod(period string) error {
	if period == "" {
		return nil
	}
	err := c.askSystemd("ask for", func(ctx context.Context, conn *systemddbus.Conn) error {
		_, err := conn.GetUnitPropertyContext(ctx, c.saved.Unit.String(), "Id")
		return err
	})
	if err != nil {
		return err
	}
	return writeFile(c.main().dir()+"/cpu.max", "max "+period)
}

// askSystemd runs f with a connection to the systemd that has the unit.
func (c *Cgroup) askSystemd(do string, f func(context.Context, *systemddbus.Conn) error) error {
	return c.answered(do, func() error {
		ctx := context.Background()
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		return f(ctx, conn)
	})
}

// connect is a connection to the systemd that has the unit.
func (c *Cgroup) connect(ctx context.Context) (*systemddbus.Conn, error) {
	if c.saved.Unit.User {
		return systemddbus.NewUserConnectionContext(ctx)
	}
	return systemddbus.NewWithContext(ctx)
}

// properties reads the annotations: the value is in the text form of D-Bus variants, as "'inactive-or-failed'" or
// "uint64 100" (see `gdbus help call`).
func properties(annotations map[string]string) ([]systemddbus.Property, error) {
	var all []systemddbus.Property
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, PropertyPrefix)
		if !ok {
			continue
		}
		p, err := property(name, annotations[key])
		if err != nil {
			return nil, fault.New(fault.Config, "annotations."+key, fmt.Errorf("annotation %s=%s: %w", key, annotations[key], err))
		}
		all = append(all, p)
	}
	return all, nil
}

func property(name, text string) (systemddbus.Property, error) {
	if !propertyName(name) {
		return systemddbus.Property{}, fmt.Errorf("invalid name %q of a systemd property", name)
	}
	value, err := dbus.ParseVariant(text, dbus.Signature{})
	if err != nil {
		return systemddbus.Property{}, fmt.Errorf("invalid value: %w", err)
	}
	// On D-Bus systemd's times are in microseconds and named so.
	if base, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(name, "USec") {
		if value, err = microseconds(value); err != nil {
			return systemddbus.Property{}, err
		}
		name = base + "USec"
	}
	return systemddbus.Property{Name: name, Value: value}, nil
}

// propertyName tells whether s is a name that systemd could have: letters, at least three.
func propertyName(s string) bool {
	for i := range len(s) {
		if l := s[i] | 0x20; l < 'a' || l > 'z' {
			return false
		}
	}
	return len(s) >= 3
}

func microseconds(v dbus.Variant) (dbus.Variant, error) {
	const second = 1_000_000
	switch n := v.Value().(type) {
	case float64:
		return dbus.MakeVariant(uint64(n * second)), nil
	case uint64:
		return dbus.MakeVariant(n * second), nil
	case int64, int32, uint32, int16, uint16, uint8:
		u, err := strconv.ParseUint(fmt.Sprint(n), 10, 64)
		if err != nil {
			return v, errors.New("invalid value: a time cannot be negative")
		}
		return dbus.MakeVariant(u * second), nil
	}
	return v, errors.New("invalid value: not a number of seconds")
}
