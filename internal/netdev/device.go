package netdev

import (
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// device is what has to be known of a network device to move it.
type device struct {
	name      string // on the host
	index     int    // in the namespace that it is in now
	up        bool   // on the host
	away      bool   // it is in the container
	addresses []netlink.Addr
}

// move moves the device and gives it a name, in one request: the kernel uses the new name already to avoid a
// collision on arrival. MTU, hardware address and alternative names go with it.
func (d *device) move(from, to *namespace, name string) error {
	before, err := to.indices()
	if err != nil {
		return err
	}
	r := from.request(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(d.index)
	r.AddData(msg)
	r.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(to.file.Fd()))))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	_, err = r.Execute(unix.NETLINK_ROUTE, 0)
	link, found := to.arrived(before, name)
	if found {
		d.away = !d.away
		d.index = link.Attrs().Index
	}
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("it is not there as %s", name)
	}
	return d.configure(to, link)
}

// configure gives the device its addresses again. In the container it is up, as the specification wants it; on the
// host as it was.
func (d *device) configure(n *namespace, link netlink.Link) error {
	for i := range d.addresses {
		a := d.addresses[i]
		a.LinkIndex = link.Attrs().Index
		a.Label = relabel(a.Label, d.name, link.Attrs().Name)
		// The library would compute a broadcast address where none was set.
		if a.Broadcast == nil {
			a.Broadcast = net.IPv4zero
		}
		// What the kernel finds out by itself cannot be set.
		a.Flags &^= unix.IFA_F_PERMANENT | unix.IFA_F_SECONDARY | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
		if err := n.handle.AddrAdd(link, &a); err != nil {
			return fmt.Errorf("add address %s: %w", a.IPNet, err)
		}
	}
	if d.away || d.up {
		if err := n.handle.LinkSetUp(link); err != nil {
			return fmt.Errorf("set up: %w", err)
		}
	}
	return nil
}

// relabel is the label of an IPv4 address, which begins with the device's name, for its new name.
func relabel(label, name, newName string) string {
	rest, ok := strings.CutPrefix(label, name)
	if !ok || rest == "" || len(newName)+len(rest) >= unix.IFNAMSIZ {
		return ""
	}
	return newName + rest
}

// indices are those of the devices in the namespace.
func (n *namespace) indices() (map[int]bool, error) {
	all, err := n.handle.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network devices: %w", err)
	}
	set := make(map[int]bool, len(all))
	for _, l := range all {
		set[l.Attrs().Index] = true
	}
	return set, nil
}

// arrived finds the device that has come: by its name where that is certain, else it is the one that was not there
// before. A device that could be moved but not renamed has come as well.
func (n *namespace) arrived(before map[int]bool, name string) (netlink.Link, bool) {
	if link, err := n.handle.LinkByName(name); err == nil && !before[link.Attrs().Index] {
		return link, true
	}
	all, err := n.handle.LinkList()
	if err != nil {
		return nil, false
	}
	for _, l := range all {
		if !before[l.Attrs().Index] {
			return l, true
		}
	}
	return nil, false
}
