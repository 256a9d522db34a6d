package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func notify(a []string) error {
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte(strings.Join(a, "\n")))
	return err
}

// listen prints N datagrams that come on a socket, as a service manager gets them.
func listen(a []string) error {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: a[0], Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(a[0]) }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 4096)
	for range number(a[1]) {
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", b[:n])
	}
	return nil
}

// up says which interfaces are up.
func up([]string) error {
	all, err := net.Interfaces()
	for _, i := range all {
		fmt.Println(i.Name, i.Flags&net.FlagUp != 0, i.MTU, i.HardwareAddr)
	}
	return err
}

func connect(a []string) error {
	c, err := net.DialTimeout("tcp", a[0], time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err
}
