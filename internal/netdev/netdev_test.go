package netdev

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"mydocker/internal/fault"
)

// host makes the test's thread live in a new network namespace, and starts a process in another one.
func host(t *testing.T) (pid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	// Never unlocked: the thread ends with the test.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal("unshare: ", err)
	}
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// veth makes a pair of devices; the peer is called name-p.
func veth(t *testing.T, name string) netlink.Link {
	t.Helper()
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1420}, PeerName: name + "-p"})
	if err == unix.EOPNOTSUPP {
		t.Skip("the kernel has no veth devices")
	}
	if err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func addAddress(t *testing.T, link netlink.Link, text string, change func(*netlink.Addr)) {
	t.Helper()
	a, err := netlink.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(a)
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		t.Fatal(text, ": ", err)
	}
}

// inside is another program's view of the process's network namespace.
func inside(t *testing.T, pid int) *netlink.Handle {
	t.Helper()
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func texts(all []netlink.Addr) string {
	var list []string
	for _, a := range all {
		list = append(list, a.String())
	}
	return strings.Join(list, ", ")
}

func TestMoveKeepsAttributes(t *testing.T) {
	pid := host(t)
	link := veth(t, "v0")
	mac := net.HardwareAddr{2, 0, 0, 1, 2, 3}
	if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
		t.Fatal(err)
	}
	addAddress(t, link, "192.0.2.1/24", func(a *netlink.Addr) { a.Label = "v0:a" })
	addAddress(t, link, "192.0.2.2/24", nil)
	addAddress(t, link, "198.51.100.1/32", func(a *netlink.Addr) {
		a.Peer = &net.IPNet{IP: net.IPv4(198, 51, 100, 2), Mask: net.CIDRMask(32, 32)}
	})
	addAddress(t, link, "2001:db8::1/64", func(a *netlink.Addr) { a.Flags = unix.IFA_F_NODAD })
	addAddress(t, link, "169.254.1.1/16", func(a *netlink.Addr) { a.Scope = unix.RT_SCOPE_LINK })
	addAddress(t, link, "192.0.2.9/32", func(a *netlink.Addr) { a.ValidLft, a.PreferedLft = 500, 500 })
	m, err := Move(pid, map[string]specs.LinuxNetDevice{"v0": {Name: "lan"}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := netlink.LinkByName("v0"); err == nil {
		t.Error("it is on the host still")
	}
	in := inside(t, pid)
	got, err := in.LinkByName("lan")
	if err != nil {
		t.Fatal(err)
	}
	if a := got.Attrs(); a.MTU != 1420 || a.HardwareAddr.String() != mac.String() || a.Flags&net.FlagUp == 0 {
		t.Errorf("MTU %d, hardware address %s, flags %s", a.MTU, a.HardwareAddr, a.Flags)
	}
	kept, err := in.AddrList(got, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	kept = slices.DeleteFunc(kept, func(a netlink.Addr) bool { return a.IP.IsLinkLocalUnicast() && a.IP.To4() == nil })
	want := "192.0.2.1/24 lan:a, 198.51.100.1/32 lan, 192.0.2.2/24 lan, 2001:db8::1/64"
	if got := strings.TrimSpace(texts(kept)); got != want {
		t.Errorf("addresses %q, want %q", got, want)
	}
}

func TestMoveBack(t *testing.T) {
	pid := host(t)
	up := veth(t, "up0")
	if err := netlink.LinkSetUp(up); err != nil {
		t.Fatal(err)
	}
	addAddress(t, up, "192.0.2.1/24", nil)
	veth(t, "down0")
	m, err := Move(pid, map[string]specs.LinuxNetDevice{"up0": {Name: "a"}, "down0": {Name: "eth%d"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inside(t, pid).LinkByName("eth0"); err != nil {
		t.Error("a name from a template: ", err)
	}
	if err := m.PutBack(); err != nil {
		t.Fatal(err)
	}
	for name, wantUp := range map[string]bool{"up0": true, "down0": false} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if up := link.Attrs().Flags&net.FlagUp != 0; up != wantUp {
			t.Errorf("%s: up %t", name, up)
		}
	}
	link, _ := netlink.LinkByName("up0")
	if all, err := netlink.AddrList(link, netlink.FAMILY_V4); err != nil || texts(all) != "192.0.2.1/24 up0" {
		t.Errorf("addresses %q, %v", texts(all), err)
	}
}

func TestMoveRefuses(t *testing.T) {
	pid := host(t)
	veth(t, "a0")
	veth(t, "b0")
	in := inside(t, pid)
	if err := in.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "taken"}, PeerName: "p"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		devices     map[string]specs.LinuxNetDevice
		field, text string
	}{
		"missing":   {map[string]specs.LinuxNetDevice{"a0": {}, "nope": {}}, `linux.netDevices["nope"]`, "there is no such network device"},
		"loopback":  {map[string]specs.LinuxNetDevice{"a0": {}, "lo": {}}, `linux.netDevices["lo"]`, "loopback"},
		"collision": {map[string]specs.LinuxNetDevice{"a0": {}, "b0": {Name: "taken"}}, `linux.netDevices["b0"]`, "exists in the container already"},
	} {
		m, err := Move(pid, c.devices)
		if err == nil {
			m.Close()
			t.Fatalf("%s: no error", name)
		}
		if f := fault.Of(err).Field; f != c.field || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: field %s, %v", name, f, err)
		}
		if _, err := netlink.LinkByName("a0"); err != nil {
			t.Errorf("%s: a0 is not back: %v", name, err)
		}
	}
	if _, err := Move(unix.Gettid(), map[string]specs.LinuxNetDevice{"a0": {}}); err == nil || !strings.Contains(err.Error(), "the runtime's own") {
		t.Errorf("own namespace: %v", err)
	}
}

// The kernel's answers are trusted; still, a parser that is wrong about lengths would crash the runtime.
func FuzzParse(f *testing.F) {
	f.Add([]byte{8, 0, 3, 0, 'l', 'o', 0, 0})
	f.Add(make([]byte, 40))
	f.Add([]byte{3, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		attributes(b)
		parseLink(b)
		parseAddress(b)
		_ = refusal(b, 0x300)
	})
}
