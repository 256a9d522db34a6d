package netdev

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// address is an IP address of a device, in the kernel's own form.
type address struct {
	family, prefix uint8
	scope          uint8
	flags          uint32 // IFA_F_*
	label          string // IPv4 alone
	attrs          []attr
}

// addresses are the permanent global ones of a device: the kernel drops them when it leaves the namespace.
func (n *namespace) addresses(index int32) ([]address, error) {
	answer, err := n.dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg))
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var kept []address
	for _, m := range answer {
		a, of, ok := parseAddress(m)
		if ok && of == index && a.flags&unix.IFA_F_PERMANENT != 0 && a.scope == unix.RT_SCOPE_UNIVERSE {
			kept = append(kept, a)
		}
	}
	return kept, nil
}

// protocol is IFA_PROTO, who has added the address (Linux 5.18).
const protocol = 11

// parseAddress reads struct ifaddrmsg and what of its attributes can be set again.
func parseAddress(m message) (a address, index int32, ok bool) {
	if len(m) < unix.SizeofIfAddrmsg {
		return a, 0, false
	}
	a = address{family: m[0], prefix: m[1], flags: uint32(m[2]), scope: m[3]}
	for _, at := range attributes(m[unix.SizeofIfAddrmsg:]) {
		switch at.kind {
		case unix.IFA_FLAGS:
			if len(at.value) == 4 {
				a.flags = native.Uint32(at.value)
			}
		case unix.IFA_LABEL:
			a.label = unix.ByteSliceToString(at.value)
		case unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_ANYCAST, unix.IFA_CACHEINFO, unix.IFA_RT_PRIORITY, protocol:
			a.attrs = append(a.attrs, at)
		}
	}
	return a, int32(native.Uint32(m[4:])), true
}

// found are flags that the kernel finds out by itself; they cannot be set.
const found = unix.IFA_F_PERMANENT | unix.IFA_F_SECONDARY | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED

// add gives a device the address. name and newName are the device's, before and now.
func (n *namespace) add(index int32, a *address, name, newName string) error {
	head := make([]byte, unix.SizeofIfAddrmsg)
	flags := a.flags &^ found
	head[0], head[1], head[2], head[3] = a.family, a.prefix, uint8(flags), a.scope
	native.PutUint32(head[4:], uint32(index))
	attrs := slices.Concat(a.attrs, []attr{{unix.IFA_FLAGS, native.AppendUint32(nil, flags)}})
	if label := relabel(a.label, name, newName); label != "" {
		attrs = append(attrs, attr{unix.IFA_LABEL, append([]byte(label), 0)})
	}
	_, err := n.request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, head, attrs...)
	return err
}

// relabel is the label of an IPv4 address, which begins with the device's name, for its new name.
func relabel(label, name, newName string) string {
	rest, ok := strings.CutPrefix(label, name)
	if !ok || rest == "" || len(newName)+len(rest) >= unix.IFNAMSIZ {
		return ""
	}
	return newName + rest
}
