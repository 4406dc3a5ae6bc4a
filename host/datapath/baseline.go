package datapath

import (
	"net"
	"net/netip"

	of "github.com/sluice-net/sluice/host/openflow"
)

// Gateway is the bridge's internal port, where Pod host routes point.
type Gateway struct {
	OFPort uint32
	MAC    net.HardwareAddr
}

func base(stage Stage, priority uint16, match of.Match, goTo uint8, actions ...of.Action) of.Flow {
	return of.Flow{
		Table: uint8(stage), Priority: priority, Cookie: cookie(cookieBaseline, uint32(stage)),
		Match: match, Actions: of.Do(actions...), Goto: goTo,
	}
}

// baselineFlows are the flows that exist before any Pod does. With told the
// switch tells the agent of packets to refuse and to log.
func baselineFlows(gw Gateway, told bool) []of.Flow {
	ip4, ip6 := of.EthType.Is(ethIPv4), of.EthType.Is(ethIPv6)
	m := of.MatchOf
	flows := []of.Flow{
		// What the gateway sends was routed by the host: it is believed.
		base(Classify, prioHigh, m(of.InPort.Is(uint64(gw.OFPort)), ip4), uint8(Conntrack), fromGateway()),
		base(Classify, prioHigh, m(of.InPort.Is(uint64(gw.OFPort)), ip6), uint8(Conntrack), fromGateway()),

		// A Pod has no business with the node's loopback addresses, which the gateway
		// may have to take answers to (attach.Gateway.Loopback).
		base(Conntrack, prioHigh, m(flag(bitSenderLocal), ip4, of.IPv4Dst.Prefix(netip.MustParsePrefix("127.0.0.0/8"))), 0),
		// Redirects are for the link on which they are sent (RFC 1812, 5.2.7.2; RFC
		// 4861, 8), and between a Pod and its node there is nothing to redirect: a
		// Pod may send none, and what the host sends because packets leave the
		// gateway where they came in would lead the Pod astray.
		base(Conntrack, prioMiddle, m(ip4, of.IPProto.Is(1), of.ICMPv4Type.Is(icmpRedirect)), 0),
		base(Conntrack, prioMiddle, m(ip6, of.IPProto.Is(58), of.ICMPv6Type.Is(icmpv6Redirect)), 0),
		base(Conntrack, prioLow, m(ip4), 0, of.CT{Zone: Zone, Table: Conntrack.next()}),
		base(Conntrack, prioLow, m(ip6), 0, of.CT{Zone: Zone, Table: Conntrack.next()}),

		// To the gateway. A packet that came from there and is for no local Pod
		// would only go back: it is dropped. Multicast keeps its MAC address.
		base(Route, prioHigh, m(noFlag(bitSenderLocal)), 0),
		base(Route, prioMiddle, m(flag(bitSenderLocal), of.EthDst.Bytes(
			net.HardwareAddr{1, 0, 0, 0, 0, 0}, net.HardwareAddr{1, 0, 0, 0, 0, 0})), Route.next(),
			of.SetField(regOutPort.Is(uint64(gw.OFPort)))),
		base(Route, prioLow, m(flag(bitSenderLocal)), Route.next(),
			of.SetField(of.EthDst.MAC(gw.MAC)), of.SetField(regOutPort.Is(uint64(gw.OFPort)))),

		// Errors about a connection that was let through always pass
		// (SEMANTICS 25). Everything else is turned to the connection's own
		// direction.
		base(Orient, prioHigh, m(state(ctTracked|ctRelated, ctTracked|ctRelated)), uint8(Reverse)),
		base(Orient, prioMiddle, m(state(ctTracked|ctReply, ctTracked|ctReply|ctRelated)), uint8(EgressEntry),
			swap(regSourceClass, regDestClass, swap(regSourceBlock, regDestBlock,
				[]of.Action{
					of.Move(regFlags, bitSenderLocal, regFlags, bitResponderLocal, 1),
					of.Move(regFlags, bitReceiverLocal, regFlags, bitOriginatorLocal, 1),
				}))...),
		base(Orient, prioLow, m(), uint8(EgressEntry),
			of.Move(regFlags, bitSenderLocal, regFlags, bitOriginatorLocal, 1),
			of.Move(regFlags, bitReceiverLocal, regFlags, bitResponderLocal, 1)),

		// What conntrack calls invalid has no ports to judge. It passes, but not
		// from or to a Pod that some policy denies anything (SEMANTICS 29).
		base(EgressEntry, prioMiddle, m(state(ctTracked|ctInvalid, ctTracked|ctInvalid)), uint8(IngressEntry)),
		base(EgressEntry, prioLow, m(flag(bitOriginatorLocal)), uint8(EgressAdmin)),

		// SEMANTICS 17: the node reaches its own Pods.
		base(IngressEntry, prioTop, m(regSourceClass.Is(NodeClass)), uint8(Commit)),
		base(IngressEntry, prioMiddle, m(state(ctTracked|ctInvalid, ctTracked|ctInvalid)), uint8(Reverse)),
		base(IngressEntry, prioLow, m(flag(bitResponderLocal)), uint8(IngressAdmin)),

		base(Commit, prioLow, m(state(ctTracked|ctNew, ctTracked|ctNew|ctInvalid), ip4), 0, commit()),
		base(Commit, prioLow, m(state(ctTracked|ctNew, ctTracked|ctNew|ctInvalid), ip6), 0, commit()),

		// Pod to Pod is one hop. A packet with no hop left goes to the host, which
		// answers Time Exceeded as the router that it is.
		base(Output, prioLow, m(), 0, of.OutputField(regOutPort)),
	}
	podToPod := []of.Clause{flag(bitSenderLocal), flag(bitReceiverLocal)}
	// What is too large for the receiver goes to the host too, which fragments it
	// or answers that it must be.
	flows = append(flows, base(Output, prioNarrow, m(append(podToPod, flag(bitTooLarge))...), 0,
		of.SetField(of.EthDst.MAC(gw.MAC)), of.Output(gw.OFPort)))
	// The host may have led a Pod's packet to another Pod of the node: kube-proxy does,
	// for a Service that the bridge does not serve. What comes back has to pass it as
	// well, or the first Pod would hear from somebody whom it does not know.
	flows = append(flows, base(Output, prioSelf, m(append(podToPod, state(ctTracked|ctReply, ctTracked|ctReply),
		of.CTMark.Masked(markGateway, markGateway))...), 0, of.SetField(of.EthDst.MAC(gw.MAC)), of.Output(gw.OFPort)))
	for _, ip := range []of.Clause{ip4, ip6} {
		flows = append(flows,
			base(Output, prioMiddle, m(append(podToPod, ip)...), 0, of.DecTTL(), of.OutputField(regOutPort)))
		for ttl := range uint64(2) {
			flows = append(flows,
				base(Output, prioHigh, m(append(podToPod, ip, of.IPTTL.Is(ttl))...), 0,
					of.SetField(of.EthDst.MAC(gw.MAC)), of.Output(gw.OFPort)))
		}
	}
	flows = append(flows, neighbourDiscovery(gw)...)
	flows = append(flows, translationFlows()...)
	if told {
		flows = append(flows, tellFlows()...)
	}
	for s := range numStages {
		if stages[s].miss != dropOnMiss {
			flows = append(flows, base(s, prioMiss, m(), uint8(stages[s].miss)))
		}
	}
	return flows
}

func fromGateway() of.Action {
	return of.SetField(regFlags.Masked(1<<bitFromGateway, 1<<bitFromGateway))
}

// commit records a connection, with marks that say which way its replies go.
func commit() of.Action {
	return of.CT{
		Commit: true, Zone: Zone, Table: uint8(Reverse),
		Exec: []of.Action{of.Move(regFlags, bitService, of.CTMark, 0, 2)},
	}
}

// neighbourDiscovery is the table for ICMPv6 that is no traffic (SEMANTICS 28;
// RFC 4861, RFC 3810): it goes to the gateway, where the host answers as proxy.
// Flows cannot answer on both datapaths: the kernel's knows no ND options.
func neighbourDiscovery(gw Gateway) []of.Flow {
	ip6, icmp6 := of.EthType.Is(ethIPv6), of.IPProto.Is(58)
	out := of.Output(gw.OFPort)
	var flows []of.Flow
	for _, kind := range icmpv6Control {
		f := base(IPv6Control, prioMiddle, of.MatchOf(ip6, icmp6, of.ICMPv6Type.Is(uint64(kind.icmpType))), 0)
		if kind.toGateway {
			f.Actions = of.Do(out)
		}
		flows = append(flows, f)
	}
	// The host answers as proxy to multicast only. Who asks an address that he
	// knows already (RFC 4861, 7.3.3) is heard as if he asked everybody.
	everybody := netip.MustParseAddr("ff02::1")
	solicitation := of.MatchOf(ip6, icmp6, of.ICMPv6Type.Is(135))
	flows = append(flows,
		base(IPv6Control, prioTop, solicitation.And(of.IPv6Dst.Prefix(netip.MustParsePrefix("ff00::/8"))), 0, out),
		base(IPv6Control, prioHigh, solicitation, 0, of.SetField(of.IPv6Dst.Addr(everybody)),
			of.SetField(of.EthDst.MAC(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1})), out))
	return flows
}

// The types of redirects (RFC 792; RFC 4861, 4.5).
const (
	icmpRedirect   = 5
	icmpv6Redirect = 137
)

// icmpv6Control are the ICMPv6 types that never reach the policy tables when a
// Pod sends them.
var icmpv6Control = []struct {
	icmpType  uint8
	toGateway bool
}{
	{130, true},             // multicast listener query
	{131, true},             // multicast listener report
	{132, true},             // multicast listener done
	{133, true},             // router solicitation
	{134, false},            // router advertisement: a Pod is no router
	{135, true},             // neighbour solicitation
	{136, true},             // neighbour advertisement
	{icmpv6Redirect, false}, // redirect: only routers may
	{143, true},             // multicast listener report, version 2
}

func state(value, mask uint64) of.Clause { return of.CTState.Masked(value, mask) }

// swap exchanges two registers, then does the rest.
func swap(a, b of.Field, rest []of.Action) []of.Action {
	return append([]of.Action{
		of.Move(a, 0, regScratch, 0, 32),
		of.Move(b, 0, a, 0, 32),
		of.Move(regScratch, 0, b, 0, 32),
	}, rest...)
}
