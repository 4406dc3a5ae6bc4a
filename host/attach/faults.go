package attach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/host/hostnet"
)

// faults looks at everything that Add leaves behind for a Pod, from the port to the flows, and names what is off. A Pod
// whose veth is gone has that one fault. The second error is why something could not be looked at.
func (a *Attacher) faults(ctx context.Context, m *member) (faults []error, err error) {
	alive, err := a.opts.Host.VethAlive(m.Veth, m.VethIndex)
	if err != nil {
		return nil, err
	}
	if !alive {
		return []error{fmt.Errorf("its veth %s is gone", m.Veth)}, nil
	}
	for _, look := range []func(context.Context, *member) ([]error, error){
		a.portFaults, a.gatewayFaults, a.routeFaults, a.neighbourFaults, a.modeFaults, a.flowFaults,
	} {
		found, err := look(ctx, m)
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	return faults, nil
}

func (a *Attacher) portFaults(ctx context.Context, m *member) ([]error, error) {
	port, found, err := a.opts.OVS.Port(ctx, m.Veth)
	if err != nil {
		return nil, err
	}
	if !found {
		return []error{fmt.Errorf("bridge %s has no port %s", a.opts.Bridge.Name, m.Veth)}, nil
	}
	var faults []error
	if port.OFPort != m.OFPort {
		faults = append(faults, strip("port %s has number %d instead of %d (%s)", m.Veth, port.OFPort, m.OFPort, port.Error))
	}
	ids, err := m.record()
	if err != nil {
		return nil, err
	}
	if keys := differing(port.ExternalIDs, ids); len(keys) > 0 {
		faults = append(faults, fmt.Errorf("the external_ids of port %s were changed: %s", m.Veth, strings.Join(keys, ", ")))
	}
	return faults, nil
}

// strip leaves out an empty reason at the end.
func strip(format string, args ...any) error {
	return fmt.Errorf("%s", strings.TrimSuffix(fmt.Sprintf(format, args...), " ()"))
}

// differing lists the keys whose values differ, in order.
func differing(have, want map[string]string) []string {
	keys := map[string]bool{}
	for _, side := range []map[string]string{have, want} {
		for key := range side {
			a, inHave := have[key]
			b, inWant := want[key]
			if a != b || inHave != inWant {
				keys[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func (a *Attacher) gatewayFaults(context.Context, *member) ([]error, error) {
	gateway := a.Gateway()
	list, err := a.opts.Host.GatewayFaults(gateway.settings())
	if err != nil {
		return nil, err
	}
	mirror, err := a.mirrorFaults()
	return append(asErrors(list), mirror...), err
}

func asErrors(list []string) []error {
	var errs []error
	for _, text := range list {
		errs = append(errs, fmt.Errorf("%s", text))
	}
	return errs
}

func (a *Attacher) routeFaults(_ context.Context, m *member) (faults []error, err error) {
	routes, err := a.astrayRoutes(m)
	if err != nil {
		return nil, err
	}
	gateway := a.opts.Gateway.Name
	for _, r := range routes {
		devices, err := a.opts.Host.Leads(r)
		switch {
		case err != nil:
			return nil, err
		case len(devices) == 0:
			faults = append(faults, fmt.Errorf("route %s is gone; it must lead through %s", r, gateway))
		case slices.Contains(devices, gateway):
			faults = append(faults, fmt.Errorf("route %s leads through %s with other attributes than ADD gave it", r, gateway))
		default:
			faults = append(faults, fmt.Errorf("route %s does not lead through %s but through %s", r, gateway, strings.Join(devices, ", ")))
		}
	}
	return faults, nil
}

func (a *Attacher) neighbourFaults(_ context.Context, m *member) (faults []error, err error) {
	gateway := a.gatewayIndex()
	neighbours, err := a.opts.Host.AstrayNeighbours(gateway, m.Addresses, m.MAC)
	for _, n := range neighbours {
		faults = append(faults, fmt.Errorf("%s is no permanent neighbour of %s with the address %s", n, a.opts.Gateway.Name, m.MAC))
	}
	return faults, err
}

// modeFaults looks at what one of the two datapaths needs and the other does not.
func (a *Attacher) modeFaults(_ context.Context, m *member) (faults []error, err error) {
	if a.mode.dropAtIngress {
		dropped, err := a.opts.Host.Dropped()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(dropped, m.Veth) {
			faults = append(faults, fmt.Errorf("the kernel routes frames from %s past the bridge (its nftables chain is gone)", m.Veth))
		}
	}
	if a.mode.checksumInPod {
		on, err := a.offloadedAgain(m)
		if err != nil {
			return nil, err
		}
		if len(on) > 0 {
			faults = append(faults, fmt.Errorf("checksum offload is on again at %s in the Pod: %s", m.IfName, strings.Join(on, ", ")))
		}
	}
	return faults, nil
}

// offloadedAgain lists the features of the Pod's end that somebody turned on after ADD had turned them off.
func (a *Attacher) offloadedAgain(m *member) ([]string, error) {
	on, err := hostnet.TxOffload(m.Netns, m.IfName)
	return slices.DeleteFunc(on, func(name string) bool { return !slices.Contains(m.undo.Offload, name) }), err
}

func (a *Attacher) flowFaults(ctx context.Context, m *member) ([]error, error) {
	return a.opts.Node.CheckPod(ctx, m.Pod())
}
