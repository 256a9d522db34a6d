// Package seqpacket is the socket between the parent and init: messages of a kind, a body and descriptors over
// SOCK_SEQPACKET, where an end that is gone is seen at once.
package seqpacket

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// chunk is how much of a body goes into one packet. The default send buffer of a socket (net.core.wmem_default)
// holds a few of them, and a host that lowers it to 16 KiB still takes one.
const chunk = 12 << 10

// maxBody bounds what a peer can make the other allocate.
const maxBody = 64 << 20

// maxFiles is how many descriptors one message can carry (SCM_MAX_FD is 253).
const maxFiles = 16

// Conn is one end of the socket. It is not safe for concurrent use.
type Conn struct {
	file *os.File
	buf  []byte
}

// Message is one message as received. The receiver owns the files.
type Message struct {
	Kind  byte
	Body  []byte
	Files []*os.File
}

// Pair makes a connected pair: the parent's end, and the file that becomes a descriptor of init.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return New(os.NewFile(uintptr(fds[0]), "parent")), os.NewFile(uintptr(fds[1]), "init"), nil
}

// New makes a Conn of a socket that it then owns.
func New(f *os.File) *Conn { return &Conn{file: f} }

// Fd is the descriptor of the socket, to be polled.
func (c *Conn) Fd() int { return int(c.file.Fd()) }

// Close closes this end.
func (c *Conn) Close() error { return c.file.Close() }

// Send sends one message. The files stay the caller's. Long bodies go as several packets: the first byte of each
// says whether more follow.
func (c *Conn) Send(kind byte, body []byte, files ...*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	for first := true; first || len(body) > 0; first = false {
		n := min(len(body), chunk)
		head := []byte{kind, 0}
		if n < len(body) {
			head[1] = 1
		}
		if err := c.send(append(head, body[:n]...), rights); err != nil {
			return err
		}
		body, rights = body[n:], nil
	}
	return nil
}

func (c *Conn) send(packet, rights []byte) error {
	for {
		err := unix.Sendmsg(c.Fd(), packet, rights, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// Receive waits for the next message. io.EOF means that the other end is closed.
func (c *Conn) Receive() (*Message, error) {
	m := &Message{}
	for first := true; ; first = false {
		more, err := c.receive(m, first)
		if err != nil {
			m.Close()
			return nil, err
		}
		if !more {
			return m, nil
		}
	}
}

// receive adds the next packet to m and tells whether more follow.
func (c *Conn) receive(m *Message, first bool) (bool, error) {
	if c.buf == nil {
		c.buf = make([]byte, chunk+2+1)
	}
	oob := make([]byte, unix.CmsgSpace(maxFiles*4))
	n, oobn, flags, err := c.recvmsg(oob)
	if err != nil {
		return false, err
	}
	if oobn > 0 {
		if err := m.takeFiles(oob[:oobn]); err != nil {
			return false, err
		}
	}
	switch {
	case n == 0 && first:
		return false, io.EOF
	case n == 0:
		return false, io.ErrUnexpectedEOF
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0, n < 2, n > chunk+2, !first && c.buf[0] != m.Kind, len(m.Body)+n > maxBody:
		return false, fmt.Errorf("message of kind %d: malformed", c.buf[0])
	}
	m.Kind = c.buf[0]
	m.Body = append(m.Body, c.buf[2:n]...)
	return c.buf[1] == 1, nil
}

func (c *Conn) recvmsg(oob []byte) (n, oobn, flags int, err error) {
	for {
		n, oobn, flags, _, err = unix.Recvmsg(c.Fd(), c.buf, oob, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			return n, oobn, flags, err
		}
	}
}

func (m *Message) takeFiles(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return fmt.Errorf("control message: %w", err)
		}
		for _, fd := range fds {
			m.Files = append(m.Files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return nil
}

// Close closes the files of a message that nobody took.
func (m *Message) Close() {
	for _, f := range m.Files {
		_ = f.Close()
	}
	m.Files = nil
}

// File takes the one file that the message must carry.
func (m *Message) File() (*os.File, error) {
	if len(m.Files) != 1 {
		m.Close()
		return nil, fmt.Errorf("message of kind %d: %d descriptors, want 1", m.Kind, len(m.Files))
	}
	f := m.Files[0]
	m.Files = nil
	return f, nil
}
