package netdev

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// namespace is a network namespace, with a netlink socket in it.
type namespace struct {
	file   *os.File
	handle *netlink.Handle
	socket *nl.NetlinkSocket // for the requests that the library has no function for
}

func openNamespace(path string) (*namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	fd := netns.NsHandle(f.Fd())
	handle, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open netlink socket in network namespace: %w", err)
	}
	socket, err := nl.GetNetlinkSocketAt(fd, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		handle.Close()
		_ = f.Close()
		return nil, fmt.Errorf("open netlink socket in network namespace: %w", err)
	}
	return &namespace{file: f, handle: handle, socket: socket}, nil
}

func (n *namespace) close() {
	n.socket.Close()
	n.handle.Close()
	_ = n.file.Close()
}

// same tells whether both are one namespace (namespaces(7): device and inode name it).
func (n *namespace) same(other *namespace) bool {
	a, err := n.file.Stat()
	if err != nil {
		return false
	}
	b, err := other.file.Stat()
	return err == nil && os.SameFile(a, b)
}

// device looks a device up.
func (n *namespace) device(name string) (*device, error) {
	link, err := n.handle.LinkByName(name)
	if notFound(err) {
		return nil, fault.Hint(errors.New("there is no such network device on the host"), "`ip link` lists those that there are")
	}
	if err != nil {
		return nil, err
	}
	if link.Attrs().Flags&net.FlagLoopback != 0 {
		return nil, errors.New("a loopback device cannot be moved")
	}
	d := &device{name: link.Attrs().Name, index: link.Attrs().Index, up: link.Attrs().Flags&net.FlagUp != 0}
	d.addresses, err = n.addresses(link)
	return d, err
}

// addresses are the permanent global ones of a device: the kernel drops them when it leaves the namespace.
func (n *namespace) addresses(link netlink.Link) ([]netlink.Addr, error) {
	all, err := n.handle.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	kept := all[:0]
	for _, a := range all {
		if a.Flags&unix.IFA_F_PERMANENT != 0 && a.Scope == unix.RT_SCOPE_UNIVERSE {
			kept = append(kept, a)
		}
	}
	return kept, nil
}

// free tells whether a device can get a name; a template ("eth%d") always can.
func (n *namespace) free(name string) error {
	if strings.Contains(name, "%d") {
		return nil
	}
	_, err := n.handle.LinkByName(name)
	switch {
	case err == nil:
		return fmt.Errorf("network device %s exists in the container already", name)
	case notFound(err):
		return nil
	}
	return err
}

// request makes a request whose answer comes from this namespace.
func (n *namespace) request(kind, flags int) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(kind, flags)
	r.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: n.socket}}
	return r
}
