package datapath

import (
	"math/bits"

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
