package flowsim

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	of "github.com/sluice-net/sluice/host/openflow"
)

// Packet is what enters the switch.
type Packet struct {
	InPort      uint32
	EthDst      net.HardwareAddr // nil: some unicast address
	Source      netip.Addr
	Destination netip.Addr
	Protocol    uint8
	SourcePort  uint16 // ICMP: type
	DestPort    uint16 // ICMP: code
	TCPFlags    uint16
	TTL         uint8 // 0 stands for 64
	Length      int   // bytes, with the Ethernet header
	// Connection is what conntrack says of the packet, in every zone.
	Connection Connection
	// Stateful: the switch's own conntrack says, and Connection is not looked at.
	Stateful bool
}

// Connection is the state that ct() finds.
type Connection struct {
	State uint32 // of.CTNew ...; CTTracked is added
	// Original is the first packet of the connection. The zero value stands for
	// the packet itself.
	Original *Packet
}

// Outcome is what became of a packet.
type Outcome struct {
	Port      uint32 // where it left; 0 = dropped
	TTL       uint8
	EthDst    net.HardwareAddr
	Committed bool    // a new connection was recorded
	DroppedIn uint8   // the table where it ended, if it did
	Path      []uint8 // tables
	Sent      []Sent  // to the agent
	Registers [16]uint32
	// What the packet was like in the end.
	Source, Destination  netip.Addr
	SourcePort, DestPort uint16
}

// Sent is a packet that a Controller action sent to the agent.
type Sent struct {
	UserData  []byte
	MeterID   uint32
	Registers [16]uint32
}

// packet is a packet under way: its fields in network order.
type packet struct {
	fields map[of.Field][]byte
}

func (p *packet) set(f of.Field, value []byte) { p.fields[f] = value }

func (p *packet) number(f of.Field, bits int, value uint64) {
	b := make([]byte, 8)
	binary.BigEndian.PutUint64(b, value)
	p.fields[f] = b[8-(bits+7)/8:]
}

func (p *packet) matches(clauses []of.Clause) bool {
	for _, c := range clauses {
		value, mask := c.Value(), c.Mask()
		have := p.fields[c.Field()]
		if have == nil {
			have = make([]byte, len(value))
			if !isRegister(c.Field()) && c.Field() != of.CTState {
				return false
			}
		}
		if len(have) != len(value) {
			panic(fmt.Sprintf("flowsim: field %s has %d bytes, its clause %d", c.Field(), len(have), len(value)))
		}
		for i := range value {
			if (have[i]^value[i])&mask[i] != 0 {
				return false
			}
		}
	}
	return true
}

func (p *packet) registers() (all [16]uint32) {
	for n := range all {
		all[n] = binary.BigEndian.Uint32(p.field(of.Reg(n), 4))
	}
	return all
}

func isRegister(f of.Field) bool { return f >= of.Reg(0) && f <= of.Reg(15) }

func newPacket(in Packet) *packet {
	p := &packet{fields: map[of.Field][]byte{}}
	dst := in.EthDst
	if dst == nil {
		dst = net.HardwareAddr{2, 0, 0, 0, 0, 9}
	}
	ttl := in.TTL
	if ttl == 0 {
		ttl = 64
	}
	p.number(of.InPort, 32, uint64(in.InPort))
	p.set(of.EthDst, dst)
	p.set(of.EthSrc, net.HardwareAddr{2, 0, 0, 0, 0, 8})
	p.number(of.IPProto, 8, uint64(in.Protocol))
	p.number(of.IPTTL, 8, uint64(ttl))
	if in.Source.Is4() {
		p.number(of.EthType, 16, 0x0800)
		p.set(of.IPv4Src, in.Source.AsSlice())
		p.set(of.IPv4Dst, in.Destination.AsSlice())
	} else {
		p.number(of.EthType, 16, 0x86dd)
		p.set(of.IPv6Src, in.Source.AsSlice())
		p.set(of.IPv6Dst, in.Destination.AsSlice())
	}
	switch in.Protocol {
	case 1:
		p.number(of.ICMPv4Type, 8, uint64(in.SourcePort))
		p.number(of.ICMPv4Code, 8, uint64(in.DestPort))
	case 6:
		p.number(of.TCPSrc, 16, uint64(in.SourcePort))
		p.number(of.TCPDst, 16, uint64(in.DestPort))
		p.number(of.TCPFlags, 12, uint64(in.TCPFlags))
	case 17:
		p.number(of.UDPSrc, 16, uint64(in.SourcePort))
		p.number(of.UDPDst, 16, uint64(in.DestPort))
	case 132:
		p.number(of.SCTPSrc, 16, uint64(in.SourcePort))
		p.number(of.SCTPDst, 16, uint64(in.DestPort))
	case 58:
		p.number(of.ICMPv6Type, 8, uint64(in.SourcePort))
		p.number(of.ICMPv6Code, 8, uint64(in.DestPort))
	}
	return p
}

// track fills in what ct() knows.
func (p *packet) track(in Packet) {
	state := uint64(in.Connection.State | of.CTTracked)
	p.number(of.CTState, 32, state)
	if state&of.CTInvalid != 0 {
		return
	}
	original := in
	if in.Connection.Original != nil {
		original = *in.Connection.Original
	}
	p.number(of.CTNwProto, 8, uint64(original.Protocol))
	p.number(of.CTTpSrc, 16, uint64(original.SourcePort))
	p.number(of.CTTpDst, 16, uint64(original.DestPort))
}
