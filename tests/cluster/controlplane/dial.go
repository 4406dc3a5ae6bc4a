package controlplane

import (
	"context"
	"net"
	"runtime"

	"github.com/vishvananda/netns"
)

// dialIn connects from a network namespace: a socket belongs to the namespace of the
// thread that makes it.
func dialIn(ctx context.Context, namespace, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if namespace == "" {
		return dialer.DialContext(ctx, network, address)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is elsewhere now, ends with this function
		handle, err := netns.GetFromPath(namespace)
		if err != nil {
			results <- result{err: err}
			return
		}
		defer handle.Close()
		if err := netns.Set(handle); err != nil {
			results <- result{err: err}
			return
		}
		conn, err := dialer.DialContext(ctx, network, address)
		results <- result{conn, err}
	}()
	r := <-results
	return r.conn, r.err
}
