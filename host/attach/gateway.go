package attach

import (
	"context"
	"fmt"
	"net/netip"

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
	n, err := a.ensureGateway(ctx, a.wantMTU())
	return changed + n, err
}

// ensureGateway needs gatewayMu.
func (a *Attacher) ensureGateway(ctx context.Context, mtu int) (changed int, err error) {
	_, found, err := a.opts.OVS.Port(ctx, a.opts.Gateway.Name)
	if err != nil {
		return 0, err
	}
	if !found {
		changed++
	}
	number, err := a.opts.OVS.EnsureGateway(ctx, ovsdb.GatewayOptions{
		Bridge: a.opts.Bridge.Name, Name: a.opts.Gateway.Name, MAC: a.opts.Gateway.MAC, MTU: mtu, OFPort: a.opts.Gateway.OFPort,
	})
	if err != nil {
		return changed, err
	}
	index, n, err := a.opts.Host.PrepareGateway(a.opts.Gateway.Name, a.opts.Gateway.MAC, mtu)
	if err != nil {
		return changed, err
	}
	a.gateway = Gateway{Name: a.opts.Gateway.Name, Index: index, OFPort: number, MAC: a.opts.Gateway.MAC, MTU: mtu}
	return changed + n, nil
}

// wantMTU is the largest MTU of the Pods, so that the gateway limits none of them. The routes say what fits each.
func (a *Attacher) wantMTU() int {
	mtu := 0
	for _, m := range a.members.all() {
		mtu = max(mtu, m.MTU)
	}
	if mtu == 0 {
		return defaultMTU
	}
	return max(mtu, minMTU)
}

// fitMTU gives the gateway the MTU that fits the members.
func (a *Attacher) fitMTU(ctx context.Context) error {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	mtu := a.wantMTU()
	if mtu == a.gateway.MTU || a.retired.Load() {
		return nil
	}
	if _, err := a.ensureGateway(ctx, mtu); err != nil {
		return fmt.Errorf("give the gateway %s MTU %d: %w", a.opts.Gateway.Name, mtu, err)
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
