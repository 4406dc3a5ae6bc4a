package datapath

import (
	"net"
	"net/netip"

	of "github.com/sluice-net/sluice/host/openflow"
)

// LocalPod is a Pod whose veth is on the bridge.
type LocalPod struct {
	Namespace, Name string
	OFPort          uint32
	MAC             net.HardwareAddr
	Addresses       []netip.Addr
	MTU             int // bytes, of the Pod's interface; 0: not known
	// SendsOnly: the Pod's port is not there yet, or soon no more. What it sends passes the bridge; what is sent to it goes
	// to the gateway, as if it were not local.
	SendsOnly bool
}

// Key is namespace/name.
func (p LocalPod) Key() string { return p.Namespace + "/" + p.Name }

// podFlows is the baseline of one Pod: what it may send from, how its ARP is
// answered, and how its addresses are reached.
// With logged the agent is told of every connection of the Pod.
func podFlows(p LocalPod, gw Gateway, logged bool) []of.Flow {
	port := of.InPort.Is(uint64(p.OFPort))
	ip6, icmp6 := of.EthType.Is(ethIPv6), of.IPProto.Is(58)
	sender := of.SetField(mark(bitSenderLocal, logged))
	var flows []of.Flow
	add := func(stage Stage, priority uint16, match of.Match, goTo uint8, actions ...of.Action) {
		if p.SendsOnly && stage == Route && priority != prioSelf { // what it sends to itself finds its port, from which it came
			return
		}
		flows = append(flows, of.Flow{
			Table: uint8(stage), Priority: priority, Cookie: cookie(cookiePod, p.OFPort),
			Match: match, Actions: of.Do(actions...), Goto: goTo,
		})
	}
	for _, a := range p.Addresses {
		if a.Is4() {
			src, dst := of.IPv4Src.Addr(a), of.IPv4Dst.Addr(a)
			ip, arp := of.EthType.Is(ethIPv4), of.EthType.Is(ethARP)
			add(Classify, prioLow, of.MatchOf(port, ip, src), uint8(Service), sender)
			add(Classify, prioLow, of.MatchOf(port, arp, of.ARPSPA.Addr(a)), uint8(ARP))
			// Announcements and conflict checks for the Pod's own address are
			// not questions (RFC 5227): an answer would say "taken".
			add(ARP, prioHigh, of.MatchOf(port, arp, of.ARPOp.Is(1), of.ARPTPA.Addr(a)), 0)
			add(ARP, prioLow, of.MatchOf(port, arp, of.ARPOp.Is(1)), 0, arpReply(gw.MAC)...)
			add(Route, prioTop, of.MatchOf(ip, dst), Route.next(), toPod(p, gw, logged)...)
			add(Route, prioSelf, of.MatchOf(flag(bitSenderLocal), ip, src, dst), Route.next(), toItself(p, gw, logged)...)
			continue
		}
		src, dst := of.IPv6Src.Addr(a), of.IPv6Dst.Addr(a)
		add(Classify, prioLow, of.MatchOf(port, ip6, src), uint8(Service), sender)
		add(Route, prioTop, of.MatchOf(ip6, dst), Route.next(), toPod(p, gw, logged)...)
		add(Route, prioSelf, of.MatchOf(flag(bitSenderLocal), ip6, src, dst), Route.next(), toItself(p, gw, logged)...)
		for _, kind := range icmpv6Control {
			add(Classify, prioMiddle, of.MatchOf(port, ip6, icmp6, of.ICMPv6Type.Is(uint64(kind.icmpType)),
				of.IPv6Src.Addr(a)), uint8(IPv6Control))
		}
	}
	// A link-local address speaks neighbour discovery only. The unspecified
	// address (duplicate address detection) gets no answer at all.
	linkLocal := netip.MustParsePrefix("fe80::/10")
	for _, kind := range icmpv6Control {
		add(Classify, prioMiddle, of.MatchOf(port, ip6, icmp6, of.ICMPv6Type.Is(uint64(kind.icmpType)),
			of.IPv6Src.Prefix(linkLocal)), uint8(IPv6Control))
	}
	add(Route, prioTop, of.MatchOf(noFlag(bitSenderLocal), ip6, of.IPv6Dst.Addr(eui64(p.MAC))), Route.next(), toPod(p, gw, logged)...)
	return dedupe(flows)
}

// mark is the clause that sets a bit of regFlags, and with logged bitLog too.
func mark(bit uint, logged bool) of.Clause {
	bits := uint64(1) << bit
	if logged {
		bits |= 1 << bitLog
	}
	return regFlags.Masked(bits, bits)
}

func toPod(p LocalPod, gw Gateway, logged bool) []of.Action {
	return []of.Action{
		of.SetField(of.EthSrc.MAC(gw.MAC)), of.SetField(of.EthDst.MAC(p.MAC)),
		of.SetField(mark(bitReceiverLocal, logged)), of.SetField(regOutPort.Is(uint64(p.OFPort))),
	}
}

// toItself is toPod for what a Pod sends to its own address, which it does only
// through a Service.
func toItself(p LocalPod, gw Gateway, logged bool) []of.Action {
	return append(toPod(p, gw, logged), of.SetField(regFlags.Masked(1<<bitHairpin, 1<<bitHairpin)))
}

// arpReply answers an ARP request where it came in: whatever was asked for is
// at the gateway's MAC address (RFC 1027, proxy ARP).
func arpReply(mac net.HardwareAddr) []of.Action {
	return []of.Action{
		of.Move(of.EthSrc, 0, of.EthDst, 0, 48),
		of.SetField(of.EthSrc.MAC(mac)),
		of.SetField(of.ARPOp.Is(2)),
		of.Move(of.ARPSHA, 0, of.ARPTHA, 0, 48),
		of.SetField(of.ARPSHA.MAC(mac)),
		of.Move(of.ARPTPA, 0, regScratch, 0, 32),
		of.Move(of.ARPSPA, 0, of.ARPTPA, 0, 32),
		of.Move(regScratch, 0, of.ARPSPA, 0, 32),
		of.InPortAction(),
	}
}

// eui64 is the link-local address that a kernel derives from a MAC address
// (RFC 4291, appendix A).
func eui64(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{
		0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5],
	})
}

// dedupe drops flows that several addresses of one Pod have in common.
func dedupe(flows []of.Flow) []of.Flow {
	seen := make(map[of.FlowKey]bool, len(flows))
	kept := flows[:0]
	for _, f := range flows {
		if !seen[f.Key()] {
			seen[f.Key()] = true
			kept = append(kept, f)
		}
	}
	return kept
}
