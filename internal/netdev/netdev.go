// Package netdev moves network devices of the host into a container's network namespace (runtime-spec,
// config-linux.md, "Network Devices").
package netdev

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// Moved are devices that have been moved, and could be moved back.
type Moved struct {
	host, inside *namespace
	devices      []*device
}

// Move moves devices, by their names on the host, from the caller's network namespace into that of process pid, under
// the names that devices gives them. Their attributes and permanent global addresses stay; they are up then. An error
// is a *fault.Error that names the device, and all of them are back on the host.
func Move(pid int, devices map[string]specs.LinuxNetDevice) (*Moved, error) {
	m, err := open(pid)
	if errors.Is(err, unix.EPERM) {
		err = fault.Hint(err, "to move a network device takes root of the host")
	}
	if err != nil {
		return nil, fault.New(fault.Namespace, "linux.netDevices", err)
	}
	// Sorted, so that the same configuration always does the same.
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if err := m.move(name, devices[name].Name); err != nil {
			return nil, errors.Join(deviceError(name, err), m.PutBack())
		}
	}
	return m, nil
}

// Missing is the error of a device that is not there.
func Missing(name string) error { return deviceError(name, noDevice()) }

func deviceError(name string, err error) error {
	err = fmt.Errorf("move network device %s into the container: %w", name, err)
	return fault.New(fault.Device, fmt.Sprintf("linux.netDevices[%q]", name), err)
}

func noDevice() error {
	return fault.Hint(errors.New("there is no such network device on the host"), "`ip link` lists those that there are")
}

func open(pid int) (*Moved, error) {
	host, err := openNamespace("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	inside, err := openNamespace("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		host.close()
		return nil, err
	}
	m := &Moved{host: host, inside: inside}
	if host.same(inside) {
		m.Close()
		return nil, errors.New("the container's network namespace is the runtime's own")
	}
	return m, nil
}

func (m *Moved) move(name, newName string) error {
	d, err := m.host.device(name)
	if err != nil {
		return err
	}
	if newName == "" {
		newName = d.name
	}
	if err := m.inside.free(newName); err != nil {
		return err
	}
	if err := d.move(m.host, m.inside, newName); err != nil {
		// It may have got there, and no further.
		m.devices = append(m.devices, d)
		return err
	}
	m.devices = append(m.devices, d)
	return nil
}

// PutBack moves the devices to the host again, with their old names, and closes m. The kernel would do so for
// physical devices alone, when the container's network namespace ends.
func (m *Moved) PutBack() error {
	defer m.Close()
	var all []error
	for _, d := range slices.Backward(m.devices) {
		if !d.away {
			continue
		}
		if err := d.move(m.inside, m.host, d.name); err != nil {
			all = append(all, fmt.Errorf("move network device %s back to the host: %w", d.name, err))
		}
	}
	return errors.Join(all...)
}

// Close gives up the way back.
func (m *Moved) Close() {
	m.host.close()
	m.inside.close()
}
