package netdev

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace, with a netlink socket in it.
type namespace struct {
	file *os.File
	*socket
}

func openNamespace(path string) (*namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	s, err := openSocket(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open netlink socket in network namespace: %w", err)
	}
	return &namespace{file: f, socket: s}, nil
}

func (n *namespace) close() {
	n.socket.close()
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

// link is a network device as the kernel lists it.
type link struct {
	name  string
	index int32
	flags uint32 // IFF_*
}

// parseLink reads struct ifinfomsg and the name.
func parseLink(m message) (link, bool) {
	if len(m) < unix.SizeofIfInfomsg {
		return link{}, false
	}
	l := link{index: int32(native.Uint32(m[4:])), flags: native.Uint32(m[8:])}
	for _, a := range attributes(m[unix.SizeofIfInfomsg:]) {
		if a.kind == unix.IFLA_IFNAME {
			l.name = unix.ByteSliceToString(a.value)
		}
	}
	return l, true
}

// linkHead is a struct ifinfomsg.
func linkHead(index int32, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	native.PutUint32(b[4:], uint32(index))
	native.PutUint32(b[8:], flags)
	native.PutUint32(b[12:], change)
	return b
}

func nameAttr(name string) attr { return attr{unix.IFLA_IFNAME, append([]byte(name), 0)} }

// link looks a device up. unix.ENODEV says that there is none.
func (n *namespace) link(name string) (link, error) {
	answer, err := n.request(unix.RTM_GETLINK, 0, linkHead(0, 0, 0), nameAttr(name))
	if err != nil {
		return link{}, err
	}
	for _, m := range answer {
		if l, ok := parseLink(m); ok {
			return l, nil
		}
	}
	return link{}, errMalformed
}

// links lists the devices.
func (n *namespace) links() ([]link, error) {
	answer, err := n.dump(unix.RTM_GETLINK, linkHead(0, 0, 0))
	if err != nil {
		return nil, fmt.Errorf("list network devices: %w", err)
	}
	all := make([]link, 0, len(answer))
	for _, m := range answer {
		if l, ok := parseLink(m); ok {
			all = append(all, l)
		}
	}
	return all, nil
}

// dump lists something, again when it has changed meanwhile.
func (n *namespace) dump(kind uint16, head []byte) (answer []message, err error) {
	for range 10 {
		answer, err = n.request(kind, unix.NLM_F_DUMP, head)
		if !errors.Is(err, errInterrupted) {
			break
		}
	}
	return answer, err
}

// device looks up a device that is to be moved.
func (n *namespace) device(name string) (*device, error) {
	l, err := n.link(name)
	if errors.Is(err, unix.ENODEV) {
		return nil, noDevice()
	}
	if err != nil {
		return nil, err
	}
	if l.flags&unix.IFF_LOOPBACK != 0 {
		return nil, errors.New("a loopback device cannot be moved")
	}
	d := &device{name: l.name, index: l.index, up: l.flags&unix.IFF_UP != 0}
	d.addresses, err = n.addresses(l.index)
	return d, err
}

// free tells whether a device can get a name; a template ("eth%d") always can.
func (n *namespace) free(name string) error {
	if strings.Contains(name, "%d") {
		return nil
	}
	_, err := n.link(name)
	switch {
	case err == nil:
		return fmt.Errorf("network device %s exists in the container already", name)
	case errors.Is(err, unix.ENODEV):
		return nil
	}
	return err
}
