package flowsim

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// tuple is what conntrack knows a packet by.
type tuple struct {
	protocol             uint8
	source, destination  netip.Addr
	sourcePort, destPort uint16
}

func (t tuple) reversed() tuple {
	return tuple{t.protocol, t.destination, t.source, t.destPort, t.sourcePort}
}

// connection is an entry of a zone.
type connection struct {
	original, reply tuple
	mark            []byte
}

// translated says whether replies come from whom the packets were sent to.
func (c *connection) translated() bool { return c.reply != c.original.reversed() }

// Tracked is a connection as the first packet was and as it went on.
type Tracked struct {
	Source, Destination netip.AddrPort
	From, To            netip.AddrPort // after translation
}

// Tracked are the connections of a zone, in the order in which they were opened.
func (s *Switch) Tracked(zone uint16) (out []Tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.zones[zone] {
		out = append(out, Tracked{
			Source:      netip.AddrPortFrom(c.original.source, c.original.sourcePort),
			Destination: netip.AddrPortFrom(c.original.destination, c.original.destPort),
			From:        netip.AddrPortFrom(c.reply.destination, c.reply.destPort),
			To:          netip.AddrPortFrom(c.reply.source, c.reply.sourcePort),
		})
	}
	return out
}

// track is ct() with the switch's own conntrack.
func (s *Switch) track(w *way, a of.CT) error {
	now := w.tuple()
	at := slices.IndexFunc(s.zones[a.Zone], func(c *connection) bool { return c.original == now || c.reply == now })
	state := uint64(of.CTTracked | of.CTNew)
	var c *connection
	switch {
	case at >= 0:
		c = s.zones[a.Zone][at]
		state = of.CTTracked | of.CTEstablished
		if c.original != now {
			state |= of.CTReply
		}
	case a.Commit:
		c = &connection{original: now, reply: now.reversed(), mark: make([]byte, 4)}
		if n := a.NAT; n != nil && n.Destination {
			c.reply.source, c.reply.sourcePort = n.Min, n.MinPort
		} else if n != nil && n.Source {
			c.reply.destination = n.Min
		}
		s.zones[a.Zone] = append(s.zones[a.Zone], c)
	}
	original := now
	w.set(of.CTMark, make([]byte, 4))
	if c != nil {
		original = c.original
		if a.NAT != nil && c.translated() {
			state |= w.translate(c, state&of.CTReply != 0)
		}
		w.set(of.CTMark, c.mark)
	}
	w.number(of.CTState, 32, state)
	w.number(of.CTNwProto, 8, uint64(original.protocol))
	w.number(of.CTTpSrc, 16, uint64(original.sourcePort))
	w.number(of.CTTpDst, 16, uint64(original.destPort))
	for _, action := range a.Exec {
		switch action := action.(type) {
		case of.MoveAction:
			w.move(action.Src, action.Dst)
		case of.SetFieldAction:
			w.write(action.Clause)
		default:
			return fmt.Errorf("%T in exec() is not simulated", action)
		}
	}
	if c != nil {
		c.mark = w.field(of.CTMark, 4)
	}
	return nil
}

// translate rewrites the packet, and says which bit of the state shows it.
func (w *way) translate(c *connection, reply bool) uint64 {
	to := c.reply.reversed()
	if reply {
		to = c.original.reversed()
	}
	now := w.tuple()
	src, dst := of.IPv4Src, of.IPv4Dst
	if to.source.Is6() {
		src, dst = of.IPv6Src, of.IPv6Dst
	}
	w.set(src, to.source.AsSlice())
	w.set(dst, to.destination.AsSlice())
	if ports, has := portFields[to.protocol]; has {
		w.number(ports[0], 16, uint64(to.sourcePort))
		w.number(ports[1], 16, uint64(to.destPort))
	}
	if now.source != to.source {
		return of.CTSNAT
	}
	return of.CTDNAT
}

var portFields = map[uint8][2]of.Field{6: {of.TCPSrc, of.TCPDst}, 17: {of.UDPSrc, of.UDPDst}, 132: {of.SCTPSrc, of.SCTPDst}}

// tuple is what the packet now is.
func (p *packet) tuple() tuple {
	t := tuple{protocol: p.fields[of.IPProto][0]}
	src, dst := of.IPv4Src, of.IPv4Dst
	if p.fields[src] == nil {
		src, dst = of.IPv6Src, of.IPv6Dst
	}
	t.source, _ = netip.AddrFromSlice(p.fields[src])
	t.destination, _ = netip.AddrFromSlice(p.fields[dst])
	if ports, has := portFields[t.protocol]; has {
		t.sourcePort, t.destPort = binary.BigEndian.Uint16(p.fields[ports[0]]), binary.BigEndian.Uint16(p.fields[ports[1]])
	}
	return t
}
