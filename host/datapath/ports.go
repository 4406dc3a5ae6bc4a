package datapath

import (
	"math/bits"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// portMatches are matches for the ports of a rule that are given by number. They
// look at the connection's first packet as conntrack saw it, so that replies
// and fragments match too. A rule limited to ports never matches a protocol
// without any (SEMANTICS 28).
func portMatches(ports []abi.Port) []of.Match {
	var out []of.Match
	for _, p := range ports {
		if p.Name != "" {
			continue
		}
		out = append(out, portMatch(p)...)
	}
	return out
}

func portMatch(p abi.Port) []of.Match {
	clauses := []of.Clause{state(ctTracked, ctTracked|ctInvalid)}
	if p.Protocol != abi.AnyProtocol {
		clauses = append(clauses, of.CTNwProto.Is(uint64(p.Protocol)))
	}
	with := func(more ...of.Clause) of.Match {
		return of.MatchOf(append(clauses[:len(clauses):len(clauses)], more...)...)
	}
	switch {
	case p.ICMP != nil && p.ICMP.AnyCode:
		return []of.Match{with(of.CTTpSrc.Is(uint64(p.ICMP.Type)))}
	case p.ICMP != nil:
		return []of.Match{with(of.CTTpSrc.Is(uint64(p.ICMP.Type)), of.CTTpDst.Is(uint64(p.ICMP.Code)))}
	case p.First == 0 && p.Last == 0:
		return []of.Match{with()}
	}
	var out []of.Match
	for _, r := range maskedRange(p.First, max(p.First, p.Last)) {
		out = append(out, with(of.CTTpDst.Masked(uint64(r.value), uint64(r.mask))))
		if p.Protocol == abi.SCTP {
			out = append(out, untrackedPorts(r)...)
		}
	}
	return out
}

// untrackedPorts are matches for a port of SCTP where conntrack knows of none. The
// userspace datapath of Open vSwitch 3.1 takes all associations of two addresses for one
// connection, whose ports are 0: there the packet's own ports are looked at, which for a
// reply is where it comes from. Where conntrack knows ports, none is 0 (RFC 9260,
// section 3.1), and these match nothing.
//
// What it can not tell there: an association that the one end opens while it has one that
// the other opened. It counts as a reply, and its ports as those of one.
func untrackedPorts(r masked) []of.Match {
	var out []of.Match
	for _, eth := range []uint64{ethIPv4, ethIPv6} {
		for _, way := range []struct {
			state uint64
			port  of.Field
		}{{ctTracked, of.SCTPDst}, {ctTracked | ctReply, of.SCTPSrc}} {
			out = append(out, of.MatchOf(
				state(way.state, ctTracked|ctInvalid|ctReply), of.CTNwProto.Is(uint64(abi.SCTP)), of.CTTpSrc.Is(0), of.CTTpDst.Is(0),
				of.EthType.Is(eth), of.IPProto.Is(uint64(abi.SCTP)), way.port.Masked(uint64(r.value), uint64(r.mask)),
			))
		}
	}
	return out
}

// laterFragments are matches for the fragments of a protocol that are not the
// first of their datagram. The userspace datapath judges the datagram as a whole
// and tells each fragment of its connection, but not of its ports, so such
// fragments pass where any port of the protocol does: without their first
// fragment, which is judged by its ports, they are worth nothing. The kernel's
// datapath knows no fragments at this point, as it puts datagrams together.
func laterFragments(p abi.Protocol) []of.Match {
	var out []of.Match
	for _, eth := range []uint64{ethIPv4, ethIPv6} {
		clauses := []of.Clause{
			state(ctTracked, ctTracked|ctInvalid), of.EthType.Is(eth), of.IPFrag.Masked(of.FragLater, of.FragLater),
		}
		if p != abi.AnyProtocol {
			clauses = append(clauses, of.CTNwProto.Is(uint64(p)))
		}
		out = append(out, of.MatchOf(clauses...))
	}
	return out
}

// lettingThrough adds to the port matches of a rule, unless it denies, those of
// later fragments.
func lettingThrough(action abi.Action, matches []of.Match, protocols ...abi.Protocol) []of.Match {
	if action == abi.Deny || action == abi.Reject {
		return matches
	}
	for i, p := range protocols {
		if !slices.Contains(protocols[:i], p) {
			matches = append(matches, laterFragments(p)...)
		}
	}
	return matches
}

// withPorts are the protocols of which a rule names ports by number.
func withPorts(ports []abi.Port) []abi.Protocol {
	var out []abi.Protocol
	for _, p := range ports {
		if p.Name == "" && (p.ICMP != nil || p.First|p.Last != 0) {
			out = append(out, p.Protocol)
		}
	}
	return out
}

func namedMatch(p namedPort, number uint16) []of.Match {
	return portMatch(abi.Port{Protocol: p.protocol, First: number, Last: number})
}

type masked struct{ value, mask uint16 }

// maskedRange covers the numbers from first to last, both included, with as few
// value/mask pairs as there can be: each step takes the largest aligned block
// that begins at first and does not pass last.
func maskedRange(first, last uint16) []masked {
	var out []masked
	for at := uint32(first); at <= uint32(last); {
		size := uint32(1) << bits.TrailingZeros32(at|1<<16)
		for at+size-1 > uint32(last) {
			size >>= 1
		}
		out = append(out, masked{uint16(at), uint16(0x10000 - size)})
		at += size
	}
	return out
}
