package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// GatewayFaults says, for people, what PrepareGateway would change. It changes nothing.
func (h *Host) GatewayFaults(g GatewaySettings) (faults []string, err error) {
	name, mac, mtu := g.Name, g.MAC, g.MTU
	link, err := h.nl.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return []string{fmt.Sprintf("the gateway %s is gone", name)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for gateway %s: %w", name, err)
	}
	have := link.Attrs()
	if have.Flags&net.FlagUp == 0 {
		faults = append(faults, fmt.Sprintf("the gateway %s is down", name))
	}
	if !bytes.Equal(have.HardwareAddr, mac) {
		faults = append(faults, fmt.Sprintf("the gateway %s has the address %s instead of %s", name, have.HardwareAddr, mac))
	}
	if have.MTU != mtu {
		faults = append(faults, fmt.Sprintf("the gateway %s has MTU %d instead of %d", name, have.MTU, mtu))
	}
	wrong, err := h.wrongSysctls(g.sysctls())
	if err != nil {
		return nil, err
	}
	for _, s := range wrong {
		faults = append(faults, fmt.Sprintf("the kernel's setting net/%s is not %s", s.file, s.value))
	}
	return faults, nil
}

// Leads names the devices through which routes with r's destination, table and metric lead now.
func (h *Host) Leads(r Route) (devices []string, err error) {
	list, err := complete(func() ([]netlink.Route, error) {
		return h.nl.RouteListFiltered(family(r.Destination.Addr()), &netlink.Route{Table: r.Table, Dst: ipNet(r.Destination)},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
	})
	if err != nil {
		return nil, fmt.Errorf("look for route %s: %w", r, err)
	}
	for _, have := range list {
		if have.Type != unix.RTN_UNICAST || have.LinkIndex == 0 {
			continue
		}
		name := fmt.Sprintf("link %d", have.LinkIndex)
		if link, err := h.nl.LinkByIndex(have.LinkIndex); err == nil {
			name = link.Attrs().Name
		}
		devices = append(devices, name)
	}
	return devices, nil
}
