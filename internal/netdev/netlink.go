package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// The few messages of rtnetlink(7) that are needed are made here: a package for all of them costs each start of the
// program more, by its tables, than everything that is done with these.

// socket is a netlink socket in some network namespace.
type socket struct {
	fd  int
	seq uint32
	buf []byte
}

// openSocket opens a socket in another network namespace, in which it stays.
func openSocket(ns *os.File) (*socket, error) {
	runtime.LockOSThread()
	own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, &os.PathError{Op: "open", Path: "/proc/thread-self/ns/net", Err: err}
	}
	defer unix.Close(own)
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("setns", err)
	}
	s, err := newSocket()
	if e := unix.Setns(own, unix.CLONE_NEWNET); e != nil {
		// The thread is of no more use to others: it stays locked.
		return nil, errors.Join(os.NewSyscallError("setns", e), err)
	}
	runtime.UnlockOSThread()
	return s, err
}

func newSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Reasons of a refusal in words (Linux 4.12); without them there is still the errno.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	return &socket{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

// message is one of an answer, without its header.
type message []byte

// attr is an attribute of a message, rtnetlink(7).
type attr struct {
	kind  uint16
	value []byte
}

var native = binary.NativeEndian

// request sends a message and returns what is answered. head is the fixed part of the message.
func (s *socket) request(kind, flags uint16, head []byte, attrs ...attr) ([]message, error) {
	// Two bits, which mean something else one by one.
	if flags&unix.NLM_F_DUMP != unix.NLM_F_DUMP {
		flags |= unix.NLM_F_ACK
	}
	s.seq++
	b := make([]byte, unix.NLMSG_HDRLEN, 256)
	native.PutUint16(b[4:], kind)
	native.PutUint16(b[6:], flags|unix.NLM_F_REQUEST)
	native.PutUint32(b[8:], s.seq)
	b = append(b, head...)
	for _, a := range attrs {
		b = a.append(b)
	}
	native.PutUint32(b, uint32(len(b)))
	if err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("send", err)
	}
	return s.answer()
}

func (a attr) append(b []byte) []byte {
	b = native.AppendUint16(b, uint16(unix.SizeofRtAttr+len(a.value)))
	b = native.AppendUint16(b, a.kind)
	b = append(b, a.value...)
	return append(b, make([]byte, align(len(b))-len(b))...)
}

// align is NLMSG_ALIGN and RTA_ALIGN.
func align(n int) int { return (n + 3) &^ 3 }

// answer reads up to the message that ends an answer.
func (s *socket) answer() (all []message, err error) {
	interrupted := false
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("receive", err)
		}
		for rest := s.buf[:n]; len(rest) > 0; {
			if len(rest) < unix.NLMSG_HDRLEN {
				return nil, errMalformed
			}
			length := int(native.Uint32(rest))
			if length < unix.NLMSG_HDRLEN || length > len(rest) {
				return nil, errMalformed
			}
			kind, flags, seq := native.Uint16(rest[4:]), native.Uint16(rest[6:]), native.Uint32(rest[8:])
			body := rest[unix.NLMSG_HDRLEN:length]
			rest = rest[min(align(length), len(rest)):]
			if seq != s.seq {
				continue // of an earlier request that was given up
			}
			interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				err := refusal(body, flags)
				if err == nil && interrupted {
					err = errInterrupted
				}
				return all, err
			default:
				all = append(all, append(message(nil), body...))
			}
		}
	}
}

var (
	errMalformed   = errors.New("netlink: malformed message")
	errInterrupted = errors.New("netlink: what was listed has changed meanwhile")
)

// refusal is the error in a message that ends an answer, struct nlmsgerr.
func refusal(body []byte, flags uint16) error {
	const (
		size   = 4 + unix.NLMSG_HDRLEN
		capped = 0x100 // NLM_F_CAPPED
		tlvs   = 0x200 // NLM_F_ACK_TLVS
		text   = 1     // NLMSGERR_ATTR_MSG
	)
	if len(body) < 4 {
		return nil
	}
	errno := unix.Errno(-int32(native.Uint32(body)))
	if errno == 0 {
		return nil
	}
	if flags&(capped|tlvs) == capped|tlvs && len(body) >= size {
		for _, a := range attributes(body[size:]) {
			if a.kind == text {
				return fmt.Errorf("%w (%s)", errno, unix.ByteSliceToString(a.value))
			}
		}
	}
	return errno
}

// attributes parses those of a message. What is malformed ends them.
func attributes(b []byte) (all []attr) {
	for len(b) >= unix.SizeofRtAttr {
		length := int(native.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		const typeMask = 0x3fff // NLA_TYPE_MASK
		all = append(all, attr{native.Uint16(b[2:]) & typeMask, b[unix.SizeofRtAttr:length]})
		b = b[min(align(length), len(b)):]
	}
	return all
}
