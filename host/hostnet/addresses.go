package hostnet

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Addresses are all addresses of the node, of every device and either family,
// without their zones.
func (h *Host) Addresses() ([]netip.Addr, error) {
	list, err := complete(func() ([]netlink.Addr, error) { return h.nl.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	out := make([]netip.Addr, 0, len(list))
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			out = append(out, addr.Unmap())
		}
	}
	return out, nil
}

// WatchAddresses sends on the channel whenever an address may have come or
// gone, until ctx ends. Sending never blocks: a signal that waits stands for all
// that follow. The kernel may drop notices when very many come at once, so
// whoever must be sure looks from time to time as well.
func (h *Host) WatchAddresses(ctx context.Context, changed chan<- struct{}) error {
	updates := make(chan netlink.AddrUpdate, 16)
	err := netlink.AddrSubscribeWithOptions(updates, ctx.Done(), netlink.AddrSubscribeOptions{
		Namespace: &h.ns, ErrorCallback: func(error) {},
	})
	if err != nil {
		return fmt.Errorf("watch for changes of the node's addresses: %w", err)
	}
	go func() {
		for range updates {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return nil
}
