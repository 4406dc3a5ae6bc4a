package datapath

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// HairpinAddresses are what a Pod sees as the client when it is its own backend:
// were it its own address, its kernel would drop the packet as a martian and
// would not send the answer to the bridge. They are the same for all Pods, belong
// to nobody, and never leave the bridge but to that Pod: the IPv4 one is link-local
// (RFC 3927), the IPv6 one unique local (RFC 4193), as a Pod sends what is
// link-local there to no router.
func HairpinAddresses() [2]netip.Addr {
	return [2]netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 0x51, 0xce}),
		netip.AddrFrom16([16]byte{0xfd, 's', 'l', 'u', 'i', 'c', 0x51, 0xce, 15: 1}),
	}
}

// translationFlows are the part of Services that does not depend on which there
// are.
func translationFlows() []of.Flow {
	m := of.MatchOf
	translated := state(ctTracked|ctTranslated, ctTracked|ctTranslated)
	hairpin := regFlags.Masked(1<<bitHairpin|1<<bitService, 1<<bitHairpin|1<<bitService)
	flows := []of.Flow{
		base(Balance, prioTop, m(translated), uint8(Conntrack), of.SetField(regFlags.Masked(1<<bitService, 1<<bitService))),
		// SEMANTICS 19: NetworkPolicy lets a Pod reach itself, also through a
		// Service; the other tiers judge it like anybody.
		base(EgressNetwork, prioExempt, m(flag(bitHairpin)), uint8(stages[EgressNetwork].miss)),
		base(IngressNetwork, prioExempt, m(flag(bitHairpin)), uint8(stages[IngressNetwork].miss)),
	}
	podToPod := []of.Clause{flag(bitSenderLocal), flag(bitReceiverLocal)}
	// What the host answers in place of a router between Pods, it answers to whom
	// the packet really comes from.
	flows = append(flows, base(Reverse, prioSelf, m(append(podToPod, flag(bitTooLarge))...), uint8(Output)))
	flows = append(flows, outOfWindow()...)
	for _, self := range HairpinAddresses() {
		eth, dst := destination(self)
		for ttl := range uint64(2) {
			flows = append(flows, base(Reverse, prioTop, m(append(podToPod, eth, of.IPTTL.Is(ttl))...), uint8(Output)))
		}
		// A client's error about what it got from a Service. One that goes the way of the
		// packet that opened the connection is translated by the kernel only if it is
		// committed (linux, net/openvswitch/conntrack.c, ovs_ct_nat), which does nothing
		// else to a connection that is there.
		flows = append(flows, base(Balance, prioHigh, m(eth, state(ctTracked|ctRelated, ctTracked|ctRelated|ctReply|ctNew|ctInvalid|ctTranslated)), 0,
			of.SetField(regFlags.Masked(1<<bitService, 1<<bitService)),
			of.CT{Commit: true, Zone: ServiceZone, Table: uint8(Conntrack), NAT: &of.NAT{}}))
		flows = append(flows,
			base(Service, prioTop, m(eth, dst), 0, translate(HairpinZone, Balance)),
			base(Reverse, prioHigh, m(eth, flag(bitReceiverLocal), state(ctTracked|ctReply, ctTracked|ctReply),
				of.CTMark.Masked(markService, markService)), 0, translate(ServiceZone, Output)),
			base(Reverse, prioMiddle, m(eth, hairpin), 0,
				of.CT{Commit: true, Zone: HairpinZone, Table: uint8(Output), NAT: &of.NAT{Source: true, Min: self}}),
			base(Output, prioTop, m(eth, hairpin), 0, of.DecTTL(), of.InPortAction()))
	}
	return flows
}

// outOfWindow drops what a Service's backend sends outside of the window of a
// connection (RFC 9293, 3.10.7.4): conntrack translates nothing that it calls
// invalid, and the client would answer a segment from somebody whom it does not
// know with a reset, which ends the connection (kubernetes/kubernetes#74839).
// Kube-proxy drops everything that is invalid for that reason; the bridge asks
// ServiceZone, where the segments of a connection that is no Service's are not
// invalid but new. Segments that may not begin a connection are left out: they
// are invalid there as well.
func outOfWindow() []of.Flow {
	invalid := state(ctTracked|ctInvalid, ctTracked|ctInvalid)
	flows := []of.Flow{base(Output, prioFirst, of.MatchOf(flag(bitOutOfWindow), invalid), 0)}
	for _, eth := range []uint64{ethIPv4, ethIPv6} {
		segment := of.MatchOf(invalid, flag(bitReceiverLocal), of.EthType.Is(eth), of.IPProto.Is(uint64(abi.TCP)),
			of.TCPFlags.Masked(tcpACK, tcpACK|tcpSYN|tcpRST|tcpFIN))
		flows = append(flows, base(Reverse, prioLow, segment, 0,
			of.SetField(regFlags.Masked(1<<bitOutOfWindow, 1<<bitOutOfWindow)), of.CT{Zone: ServiceZone, Table: uint8(Output)}))
	}
	return flows
}

// translate does to a packet what the first one of its connection decided.
func translate(zone uint16, then Stage) of.Action {
	return of.CT{Zone: zone, Table: uint8(then), NAT: &of.NAT{}}
}

// destination are the clauses for packets to an address.
func destination(a netip.Addr) (eth, dst of.Clause) {
	if a.Is4() {
		return of.EthType.Is(ethIPv4), of.IPv4Dst.Addr(a)
	}
	return of.EthType.Is(ethIPv6), of.IPv6Dst.Addr(a)
}
