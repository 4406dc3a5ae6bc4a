package datapath

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// Kind says why the switch sent a packet to the agent. It is the first byte of
// the packet's userdata; the second is the direction in which it was denied
// (abi.Direction), 0 if it was let through.
type Kind uint8

// The kinds.
const (
	KindRefuse Kind = 1 // denied: the sender is to be told
	KindLog    Kind = 2 // a decision to be written to the audit log
	// KindUnreachable: a Service has no endpoints; the sender is to be told so,
	// and no policy had a part in it.
	KindUnreachable Kind = 3
	KindHold        Kind = 4 // an answer of a name server, to be sent on once policy knows of it
)

// Meters of the bridge. They limit what the switch sends to the agent, so that
// nobody who is refused can keep agent and switch busy. The kernel's datapath
// has meters since Linux 4.18.
const (
	MeterRefuse uint32 = 1
	MeterLog    uint32 = 2
)

// meters are what Connect sets up: how many packets a second, and how many at once
// after a pause.
func meters() []of.MeterEntry {
	return []of.MeterEntry{
		{ID: MeterRefuse, Packets: true, Rate: 100, Burst: 200},
		{ID: MeterLog, Packets: true, Rate: 500, Burst: 1000},
		{ID: MeterHold, Packets: true, Rate: 2000, Burst: 4000},
	}
}

func tell(kind Kind, direction abi.Direction) of.Action {
	meter := MeterRefuse
	if kind == KindLog {
		meter = MeterLog
	}
	return of.Controller{UserData: []byte{byte(kind), byte(direction)}, MeterID: meter}
}

// tellFlows send to the agent what it is to refuse or to log. There are as many
// of them with ten thousand rules as with one.
func tellFlows() []of.Flow {
	var flows []of.Flow
	for i, direction := range []abi.Direction{abi.Egress, abi.Ingress} {
		var deniedBy []of.Clause
		if direction == abi.Egress {
			// Ingress was not asked.
			deniedBy = []of.Clause{regIngressBy.Is(0)}
		}
		when := func(bits uint64) of.Match { return of.MatchOf(append(deniedBy, regFlags.Masked(bits, bits))...) }
		lower := uint16(i) // ingress flows do not look at who decided
		flows = append(flows,
			base(Denied, prioHigh-lower, when(1<<bitRefuse|1<<bitLog), 0, tell(KindRefuse, direction), tell(KindLog, direction)),
			base(Denied, prioMiddle-lower, when(1<<bitRefuse), 0, tell(KindRefuse, direction)),
			base(Denied, prioLow-lower, when(1<<bitLog), 0, tell(KindLog, direction)))
	}
	for _, eth := range []uint64{ethIPv4, ethIPv6} {
		flows = append(flows, base(Commit, prioMiddle,
			of.MatchOf(state(ctTracked|ctNew, ctTracked|ctNew|ctInvalid), of.EthType.Is(eth), flag(bitLog)), 0,
			tell(KindLog, 0), commit()))
	}
	return flows
}

// LoggedPackets is how many packets the switch was to send to the agent for the
// audit log since the flows were written, those included that its meter dropped.
func LoggedPackets(ctx context.Context, sw FlowDumper) (n uint64, err error) {
	for _, stage := range []Stage{Denied, Commit} {
		flows, err := sw.DumpFlows(ctx, of.FlowFilter{
			Table: of.InTable(uint8(stage)), Cookie: cookie(cookieBaseline, uint32(stage)), CookieMask: 1<<64 - 1,
		})
		if err != nil {
			return 0, fmt.Errorf("reading the counters of table %s: %w", stage, err)
		}
		for _, f := range flows {
			if looksAtLog(f.Match) {
				n += f.Packets
			}
		}
	}
	return n, nil
}

func looksAtLog(m of.Match) bool {
	return slices.ContainsFunc(m.Clauses(), func(c of.Clause) bool {
		value, mask := c.Uint64()
		return c.Field() == regFlags && value&mask&(1<<bitLog) != 0
	})
}

// Event is a packet that the switch sent to the agent.
type Event struct {
	Kind   Kind
	Denied abi.Direction // 0: let through
	InPort uint32
	Frame  []byte // as the pipeline left it: the MAC addresses may be rewritten
	// Translated: its destination was a Service's, and is a backend's in Frame.
	Translated bool
	// EgressBy and IngressBy say who decided, for Decider; 0: nobody.
	EgressBy, IngressBy uint32
	// The connection that the packet belongs to, as its first packet had it.
	Source, Destination netip.Addr
	Protocol            abi.Protocol
	SourcePort          uint16 // ICMP: type
	DestPort            uint16 // ICMP: code
}

// ReadEvent understands a packet that a flow of this package sent.
func ReadEvent(p of.PacketIn) (Event, error) {
	e := Event{InPort: p.InPort, Frame: p.Data}
	if p.Cookie>>56 != cookieMark>>56 || len(p.UserData) < 2 {
		return e, fmt.Errorf("the packet came by a flow with cookie %#x and userdata %x, which is none of Sluice's", p.Cookie, p.UserData)
	}
	e.Kind, e.Denied = Kind(p.UserData[0]), abi.Direction(p.UserData[1])
	for _, c := range p.Fields.Clauses() {
		switch value, _ := c.Uint64(); c.Field() {
		case regFlags:
			e.Translated = value&(1<<bitService) != 0
		case regEgressBy:
			e.EgressBy = uint32(value)
		case regIngressBy:
			e.IngressBy = uint32(value)
		case of.CTNwProto:
			e.Protocol = abi.Protocol(value)
		case of.CTTpSrc:
			e.SourcePort = uint16(value)
		case of.CTTpDst:
			e.DestPort = uint16(value)
		case of.CTNwSrc, of.CTIPv6Src:
			e.Source, _ = netip.AddrFromSlice(c.Value())
		case of.CTNwDst, of.CTIPv6Dst:
			e.Destination, _ = netip.AddrFromSlice(c.Value())
		}
	}
	return e, nil
}
