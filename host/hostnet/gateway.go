package hostnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// GatewaySettings are how the gateway device must be.
type GatewaySettings struct {
	Name string
	MAC  net.HardwareAddr
	MTU  int // bytes
	// Loopback lets packets from the node's loopback addresses be answered through it (Veth.Loopback).
	Loopback bool
}

// PrepareGateway makes the gateway device usable: sysctls, MAC address, MTU, the address believed, up. It returns the device's index, which changes
// when somebody deletes the port, and how many things were not right before.
func (h *Host) PrepareGateway(g GatewaySettings) (index, changed int, err error) {
	name, mac, mtu := g.Name, g.MAC, g.MTU
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return 0, 0, fmt.Errorf("look for gateway %s: %w", name, err)
	}
	if changed, err = h.setSysctls(g.sysctls()); err != nil {
		return 0, changed, fmt.Errorf("prepare gateway %s: %w", name, err)
	}
	if !bytes.Equal(link.Attrs().HardwareAddr, mac) {
		changed++
		if err := h.nl.LinkSetHardwareAddr(link, mac); err != nil {
			return 0, changed, fmt.Errorf("give gateway %s the address %s: %w", name, mac, err)
		}
	}
	if link.Attrs().MTU != mtu {
		changed++
		if err := h.nl.LinkSetMTU(link, mtu); err != nil {
			return 0, changed, fmt.Errorf("give gateway %s MTU %d: %w", name, mtu, err)
		}
	}
	given, err := h.believe(link)
	if err != nil {
		return 0, changed, err
	}
	if given {
		changed++
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		changed++
		if err := h.nl.LinkSetUp(link); err != nil {
			return 0, changed, fmt.Errorf("set gateway %s up: %w", name, err)
		}
	}
	return link.Attrs().Index, changed, nil
}

// LinkIndex returns the index of a device; 0 if there is none.
func (h *Host) LinkIndex(name string) (int, error) {
	link, err := h.nl.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", name, err)
	}
	return link.Attrs().Index, nil
}

// WatchLink sends on the channel whenever the device of this name may have come, gone or changed, until ctx ends. Sending
// never blocks: a signal that waits stands for all that follow.
func (h *Host) WatchLink(ctx context.Context, name string, changed chan<- struct{}) error {
	updates := make(chan netlink.LinkUpdate, 16)
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{
		Namespace: &h.ns, ErrorCallback: func(error) {},
	})
	if err != nil {
		return fmt.Errorf("watch for changes of %s: %w", name, err)
	}
	go func() {
		for u := range updates {
			if u.Link.Attrs().Name != name {
				continue
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return nil
}
