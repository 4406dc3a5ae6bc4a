package datapath

import (
	"math"

	of "github.com/sluice-net/sluice/host/openflow"
)

// Between Pods of one node no device is in the way that could tell a sender that
// its packet does not fit the receiver's interface: the frame would vanish in the
// veth. So packets to a Pod with a smaller MTU than others are measured, and
// those that are too large go to the host, as they would without the bridge.

// ethernetHeader is the length of an Ethernet header without tags, in bytes,
// which is not part of an MTU.
const ethernetHeader = 14

// narrow says whether some Pod of the node may send what p cannot receive over the bridge.
func (d *Datapath) narrow(p LocalPod) bool { return !p.SendsOnly && p.MTU > 0 && p.MTU < d.widest }

// narrowFlows measure what local Pods send to p.
func narrowFlows(p LocalPod, gw Gateway, logged bool) []of.Flow {
	most := uint16(min(p.MTU+ethernetHeader, math.MaxUint16))
	actions := append(toPod(p, gw, logged), of.CheckPktLarger(most, regFlags, bitTooLarge))
	var flows []of.Flow
	for _, a := range p.Addresses {
		ip, dst := of.EthType.Is(ethIPv6), of.IPv6Dst
		if a.Is4() {
			ip, dst = of.EthType.Is(ethIPv4), of.IPv4Dst
		}
		flows = append(flows, of.Flow{
			Table: uint8(Route), Priority: prioNarrow, Cookie: cookie(cookiePod, p.OFPort),
			Match: of.MatchOf(flag(bitSenderLocal), ip, dst.Addr(a)), Actions: of.Do(actions...), Goto: Route.next(),
		})
	}
	return flows
}

// widen follows a change of the Pods: a Pod that comes or goes may be what made
// others narrow.
func (d *Datapath) widen() {
	widest := 0
	for _, p := range d.pods {
		widest = max(widest, p.MTU)
	}
	if widest == d.widest {
		return
	}
	for _, p := range d.pods {
		d.dropPodFlows(p)
	}
	d.widest = widest
	for _, p := range d.pods {
		d.putPodFlows(p)
	}
}

// Widest is the Pod with the largest MTU; none without Pods.
func (d *Datapath) Widest() (p LocalPod, ok bool) {
	for _, one := range d.Pods() {
		if !ok || one.MTU > p.MTU {
			p, ok = one, true
		}
	}
	return p, ok
}
