package attach

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// prepare makes or repairs the bridge and the gateway, and returns how many things were not right.
func (a *Attacher) prepare(ctx context.Context) (changed int, err error) {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	if a.retired.Load() { // looked at under the lock: Uninstall may have removed the bridge meanwhile
		return 0, nil
	}
	bridge, err := a.opts.OVS.EnsureBridge(ctx, a.opts.Bridge)
	if err != nil {
		return 0, err
	}
	if bridge.Created {
		changed++
	}
	n, err := a.ensureGateway(ctx, a.wanted())
	return changed + n, err
}

// ensureGateway needs gatewayMu.
func (a *Attacher) ensureGateway(ctx context.Context, want hostnet.GatewaySettings) (changed int, err error) {
	_, found, err := a.opts.OVS.Port(ctx, a.opts.Gateway.Name)
	if err != nil {
		return 0, err
	}
	if !found {
		changed++
	}
	number, err := a.opts.OVS.EnsureGateway(ctx, ovsdb.GatewayOptions{
		Bridge: a.opts.Bridge.Name, Name: want.Name, MAC: want.MAC, MTU: want.MTU, OFPort: a.opts.Gateway.OFPort,
	})
	if err != nil {
		return changed, err
	}
	index, n, err := a.opts.Host.PrepareGateway(want)
	if err != nil {
		return changed, err
	}
	a.gateway = Gateway{Name: want.Name, Index: index, OFPort: number, MAC: want.MAC, MTU: want.MTU, Loopback: want.Loopback}
	return changed + n, nil
}

// wanted is the gateway that fits all Pods: with the largest of their MTUs, so that it limits none of them (the routes say
// what fits each), and with answers to the node's loopback addresses if one of their own devices takes these.
func (a *Attacher) wanted() hostnet.GatewaySettings {
	want := hostnet.GatewaySettings{Name: a.opts.Gateway.Name, MAC: a.opts.Gateway.MAC}
	for _, m := range a.members.all() {
		want.MTU = max(want.MTU, m.MTU)
		want.Loopback = want.Loopback || m.Loopback
	}
	if want.MTU == 0 {
		want.MTU = defaultMTU
	}
	want.MTU = max(want.MTU, minMTU)
	return want
}

// settings are how the gateway was made last.
func (g Gateway) settings() hostnet.GatewaySettings {
	return hostnet.GatewaySettings{Name: g.Name, MAC: g.MAC, MTU: g.MTU, Loopback: g.Loopback}
}

// fitGateway makes the gateway fit the members.
func (a *Attacher) fitGateway(ctx context.Context) error {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	want := a.wanted()
	if want.MTU == a.gateway.MTU && want.Loopback == a.gateway.Loopback || a.retired.Load() {
		return nil
	}
	if _, err := a.ensureGateway(ctx, want); err != nil {
		return fmt.Errorf("give the gateway %s MTU %d: %w", want.Name, want.MTU, err)
	}
	return nil
}

// syncProxies makes the gateway answer for the gateway addresses that the members use, and no longer for those that only
// the Pod named has.
func (a *Attacher) syncProxies(leaving *Attachment) (changed int, err error) {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	var want, remove []netip.Addr
	for _, m := range a.members.all() {
		if leaving == nil || m.key() != leaving.key() {
			want = append(want, m.undo.Proxies...)
		}
	}
	if leaving != nil {
		remove = leaving.undo.Proxies
	}
	if a.gateway.Index == 0 {
		return 0, nil
	}
	return a.opts.Host.SetProxies(a.gateway.Index, want, remove)
}

// gatewayIndex is the index of the gateway device; it changes when somebody deletes the port.
func (a *Attacher) gatewayIndex() int { return a.Gateway().Index }
