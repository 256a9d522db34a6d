package netdev

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// device is what has to be known of a network device to move it.
type device struct {
	name      string // on the host
	index     int32  // in the namespace that it is in now
	up        bool   // on the host
	away      bool   // it is in the container
	addresses []address
}

// move moves the device and gives it a name, in one request: the kernel uses the new name already to avoid a
// collision on arrival. MTU, hardware address and alternative names go with it.
func (d *device) move(from, to *namespace, name string) error {
	all, err := to.links()
	if err != nil {
		return err
	}
	before := make(map[int32]bool, len(all))
	for _, l := range all {
		before[l.index] = true
	}
	_, err = from.request(unix.RTM_NEWLINK, 0, linkHead(d.index, 0, 0),
		attr{unix.IFLA_NET_NS_FD, native.AppendUint32(nil, uint32(to.file.Fd()))}, nameAttr(name))
	l, found := to.arrived(before, name)
	if found {
		d.away = !d.away
		d.index = l.index
	}
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("it is not there as %s", name)
	}
	return d.configure(to, l.name)
}

// configure gives the device its addresses again. In the container it is up, as the specification wants it; on the
// host as it was.
func (d *device) configure(n *namespace, name string) error {
	for i := range d.addresses {
		if err := n.add(d.index, &d.addresses[i], d.name, name); err != nil {
			return fmt.Errorf("add address: %w", err)
		}
	}
	if !d.away && !d.up {
		return nil
	}
	if _, err := n.request(unix.RTM_NEWLINK, 0, linkHead(d.index, unix.IFF_UP, unix.IFF_UP)); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// arrived finds the device that has come: by its name where that is certain, else it is the one that was not there
// before. A device that could be moved but not renamed has come as well.
func (n *namespace) arrived(before map[int32]bool, name string) (link, bool) {
	if l, err := n.link(name); err == nil && !before[l.index] {
		return l, true
	}
	all, err := n.links()
	if err != nil {
		return link{}, false
	}
	for _, l := range all {
		if !before[l.index] {
			return l, true
		}
	}
	return link{}, false
}
