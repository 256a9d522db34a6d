package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func readLine([]string) error {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Printf("read %q\n", line)
	if err == io.EOF {
		err = nil
	}
	return err
}

func tty([]string) error {
	for fd := range 3 {
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		fmt.Println(fd, err == nil)
	}
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		return err
	}
	fmt.Printf("size %d %d\n", size.Row, size.Col)
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	fmt.Println("foreground", group == unix.Getpgrp(), err)
	return nil
}

// winch shows the size of the terminal, now and when it has changed to what is given.
func winch(a []string) error {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, unix.SIGWINCH)
	for {
		size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
		if err != nil {
			return err
		}
		now := fmt.Sprintf("%dx%d", size.Row, size.Col)
		fmt.Println("size", now)
		if now == a[0] {
			return nil
		}
		<-ch
	}
}

// received is the next message on the socket that somebody connects to.
func received(path string) (string, []int, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = l.Close() }()
	_ = l.SetDeadline(time.Now().Add(time.Minute))
	c, err := l.AcceptUnix()
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = c.Close() }()
	body, oob := make([]byte, 1<<16), make([]byte, 64)
	n, oobn, _, _, err := c.ReadMsgUnix(body, oob)
	if err != nil {
		return "", nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) == 0 {
		return string(body[:n]), nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	return string(body[:n]), fds, err
}

// recvTTY receives a terminal, as --console-socket sends it, and prints what comes out; further arguments are lines
// to be typed.
func recvTTY(a []string) error {
	_, fds, err := received(a[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("%d descriptors, %w", len(fds), err)
	}
	f := os.NewFile(uintptr(fds[0]), "tty")
	for _, line := range a[1:] {
		_, _ = f.WriteString(line + "\n")
	}
	_, _ = io.Copy(os.Stdout, f)
	return nil
}

// recvFD receives a descriptor and says what it is.
func recvFD(a []string) error {
	body, fds, err := received(a[0])
	if err != nil {
		return err
	}
	fmt.Println(body)
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		fmt.Println(to, err)
		info, _ := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
		fmt.Print(string(info))
	}
	return nil
}
