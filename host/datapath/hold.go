package datapath

import (
	"fmt"
	"net/netip"

	of "github.com/sluice-net/sluice/host/openflow"
)

// MeterHold limits the answers of name servers that the switch hands to the agent.
const MeterHold uint32 = 3

// holdPriority is above all that the table Output has.
const holdPriority = 1000

// dnsPort is where name servers listen (RFC 1035, 4.2).
const dnsPort = 53

// HoldFlows hand to the agent what these name servers answer to local Pods, in
// place of sending it on. They are no part of the datapath's own flows: whoever
// installs them gives them a cookie and a time after which they are gone (in
// seconds), so that answers do not wait for an agent that has died.
func HoldFlows(servers []netip.Prefix, cookie uint64, seconds uint16) []of.Flow {
	var flows []of.Flow
	for _, server := range servers {
		ip, source := of.EthType.Is(ethIPv4), of.IPv4Src.Prefix(server)
		if server.Addr().Is6() {
			ip, source = of.EthType.Is(ethIPv6), of.IPv6Src.Prefix(server)
		}
		for _, port := range [][]of.Clause{
			{of.IPProto.Is(17), of.UDPSrc.Is(dnsPort)},
			{of.IPProto.Is(6), of.TCPSrc.Is(dnsPort)},
		} {
			replies := append([]of.Clause{ip, source, state(ctTracked|ctReply, ctTracked|ctReply), flag(bitReceiverLocal)}, port...)
			hand := of.Controller{UserData: []byte{byte(KindHold), 0}, MeterID: MeterHold}
			flows = append(flows,
				held(cookie, seconds, of.MatchOf(append(replies, noFlag(bitSenderLocal))...), hand),
				// From a Pod of this node: the hop that the table Output takes away.
				held(cookie, seconds, of.MatchOf(append(replies, flag(bitSenderLocal))...), of.DecTTL(), hand))
		}
	}
	return flows
}

func held(cookie uint64, seconds uint16, match of.Match, actions ...of.Action) of.Flow {
	return of.Flow{
		Table: uint8(Output), Priority: holdPriority, Cookie: cookie, Match: match, Actions: of.Do(actions...), HardTimeout: seconds,
	}
}

// Release is the packet-out that sends a packet on that HoldFlows handed over.
func Release(p of.PacketIn) (of.PacketOut, error) {
	for _, c := range p.Fields.Clauses() {
		if value, _ := c.Uint64(); c.Field() == regOutPort && value != 0 {
			return of.PacketOut{Actions: of.Do(of.Output(uint32(value))), Data: p.Data}, nil
		}
	}
	return of.PacketOut{}, fmt.Errorf("the packet does not say to which port it was to go")
}
