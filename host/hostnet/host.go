package hostnet

import (
	"cmp"
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is one network namespace seen as a node. It is safe for concurrent use.
type Host struct {
	ns      netns.NsHandle
	nl      *netlink.Handle
	sysctls string // directory
	drops   drops
}

// Current returns the Host of the calling thread's network namespace, which for a program is that of the node. Sysctls is where
// the settings of DefaultSysctls can be written; "" means there.
func Current(sysctls string) (*Host, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open the own network namespace: %w", err)
	}
	return newHost(ns, sysctls)
}

// At returns the Host of the network namespace at path, for example "/run/netns/node1".
func At(path string) (*Host, error) {
	ns, err := netns.GetFromPath(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	return newHost(ns, DefaultSysctls)
}

func newHost(ns netns.NsHandle, sysctls string) (*Host, error) {
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &Host{ns: ns, nl: nl, sysctls: cmp.Or(sysctls, DefaultSysctls)}, nil
}

// Close releases the namespace. Nothing in the kernel changes.
func (h *Host) Close() {
	h.nl.Close()
	h.ns.Close()
}

// in runs fn on a thread that is in the namespace. fn must not start goroutines that rely on it.
func in(ns netns.NsHandle, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		before, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("open the thread's network namespace: %w", err)
			return // a thread in an unknown state ends with its goroutine
		}
		defer before.Close()
		if err := netns.Set(ns); err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("enter a network namespace: %w", err)
			return
		}
		err = fn()
		if netns.Set(before) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
