package nettest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// Namespace makes a network namespace with loopback up and returns its name,
// which begins with prefix. A test may delete it before its end.
func Namespace(t testing.TB, prefix string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces and needs root")
	}
	name := fmt.Sprintf("%s-%08x", prefix, rand.Uint32())
	Run(t, "ip", "netns", "add", name)
	t.Cleanup(func() {
		if _, err := os.Stat(Path(name)); err != nil {
			return
		}
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("remove the namespace %s: %v: %s", name, err, out)
		}
	})
	Run(t, "ip", "-n", name, "link", "set", "lo", "up")
	return name
}

// Path of a named network namespace.
func Path(name string) string { return "/run/netns/" + name }

// WithoutDAD makes IPv6 addresses usable at once in a namespace: duplicate
// address detection (RFC 4862, 5.4) would hold back the first packets.
func WithoutDAD(t testing.TB, name string) string {
	t.Helper()
	Enter(t, name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.dad_transmits=0")
	return name
}

// Run runs a program and returns what it printed, without space at its ends. Its
// failure is the test's.
func Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Enter is Run in a network namespace.
func Enter(t testing.TB, name string, args ...string) string {
	t.Helper()
	return Run(t, append([]string{"nsenter", "--net=" + Path(name)}, args...)...)
}

// MAC is the hardware address of a link.
func MAC(t testing.TB, name, link string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(Run(t, "ip", "netns", "exec", name, "cat", "/sys/class/net/"+link+"/address"))
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// Do runs f in a network namespace, on the caller's thread. A socket made there
// stays there. The error of f is the test's failure.
func Do(t testing.TB, name string, f func() error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(err) // the thread must not go back to the scheduler
		}
	}()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}
