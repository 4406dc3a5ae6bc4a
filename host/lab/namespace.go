package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespace is one network namespace. It is mounted at path, so that a person
// can enter it (nsenter --net=PATH) and CNI plugins can open it.
type namespace struct {
	path   string
	handle netns.NsHandle
	link   *netlink.Handle // netlink in this namespace
}

// newNamespace makes a namespace in which the loopback device is up, packets
// are forwarded if it forwards, and IPv6 addresses are usable at once.
func newNamespace(path string, forward bool) (*namespace, error) {
	n := &namespace{path: path, handle: netns.None()}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare (root is needed): %w", err)
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
		if err != nil {
			return err
		}
		_ = file.Close()
		self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		if err := unix.Mount(self, path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		return settings(forward)
	})
	if err == nil {
		n.handle, err = netns.GetFromPath(path)
	}
	if err == nil {
		n.link, err = netlink.NewHandleAt(n.handle, unix.NETLINK_ROUTE)
	}
	if err == nil {
		err = n.loopbackUp()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network namespace %s: %w", path, err), n.remove())
	}
	return n, nil
}

// settings of the kernel for the namespace of the calling thread. Duplicate
// address detection is off because the lab assigns every address itself and a
// second of waiting per address is what it costs.
func settings(forward bool) error {
	values := map[string]string{
		"ipv6/conf/default/accept_dad":    "0",
		"ipv6/conf/all/accept_dad":        "0",
		"ipv6/conf/default/dad_transmits": "0",
		"ipv6/conf/default/accept_ra":     "0",
		"ipv6/conf/default/disable_ipv6":  "0",
		"ipv6/conf/all/disable_ipv6":      "0",
	}
	if forward {
		values["ipv4/ip_forward"] = "1"
		values["ipv6/conf/all/forwarding"] = "1"
	}
	for name, value := range values {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("kernel setting net/%s: %w", name, err)
		}
	}
	return nil
}

func (n *namespace) loopbackUp() error {
	loopback, err := n.link.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback device: %w", err)
	}
	return n.link.LinkSetUp(loopback)
}

// do runs f on a thread that is in the namespace. Sockets and processes that f
// makes stay there; the thread ends with f.
func (n *namespace) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.handle), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering network namespace %s: %w", n.path, err)
		}
		return f()
	})
}

// remove ends the namespace, with every link in it, once the last process and
// socket in it is gone. Doing it again is harmless.
func (n *namespace) remove() error {
	if n.link != nil {
		n.link.Close()
		n.link = nil
	}
	if n.handle.IsOpen() {
		_ = n.handle.Close()
	}
	return unmount(n.path)
}

func unmount(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// onThread runs f on a thread of its own that is thrown away afterwards (a
// goroutine that ends locked takes its thread with it), so that f may change
// the thread's namespace.
func onThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		result <- f()
	}()
	return <-result
}
