package dns

import (
	"encoding/binary"
	"net/netip"
)

// Segment is what a frame carries of a connection with a name server.
type Segment struct {
	Server, Client netip.AddrPort
	TCP            bool
	Sequence       uint32 // of TCP
	Reset, Finish  bool   // of TCP
	Payload        []byte
}

const (
	ethHeader = 14
	ethIPv4   = 0x0800
	ethIPv6   = 0x86dd
	protoTCP  = 6
	protoUDP  = 17
)

// ReadFrame reads an Ethernet frame from a name server. False: it is none, or a
// later fragment, or is cut short.
func ReadFrame(frame []byte) (s Segment, ok bool) {
	if len(frame) < ethHeader {
		return s, false
	}
	packet := frame[ethHeader:]
	var source, destination netip.Addr
	var protocol byte
	switch binary.BigEndian.Uint16(frame[12:]) {
	case ethIPv4:
		if len(packet) < 20 {
			return s, false
		}
		header, total := int(packet[0]&0xf)*4, int(binary.BigEndian.Uint16(packet[2:]))
		fragment := binary.BigEndian.Uint16(packet[6:])&0x3fff != 0
		if header < 20 || total < header || total > len(packet) || fragment {
			return s, false
		}
		protocol = packet[9]
		source, _ = netip.AddrFromSlice(packet[12:16])
		destination, _ = netip.AddrFromSlice(packet[16:20])
		packet = packet[header:total]
	case ethIPv6:
		if len(packet) < 40 {
			return s, false
		}
		total := 40 + int(binary.BigEndian.Uint16(packet[4:]))
		if total > len(packet) {
			return s, false
		}
		protocol = packet[6] // name servers send no extension headers
		source, _ = netip.AddrFromSlice(packet[8:24])
		destination, _ = netip.AddrFromSlice(packet[24:40])
		packet = packet[40:total]
	default:
		return s, false
	}
	if len(packet) < 8 {
		return s, false
	}
	s.Server = netip.AddrPortFrom(source, binary.BigEndian.Uint16(packet))
	s.Client = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(packet[2:]))
	switch protocol {
	case protoUDP:
		s.Payload = packet[8:]
	case protoTCP:
		if len(packet) < 20 {
			return s, false
		}
		offset := int(packet[12]>>4) * 4
		if offset < 20 || offset > len(packet) {
			return s, false
		}
		s.TCP, s.Sequence = true, binary.BigEndian.Uint32(packet[4:])
		s.Finish, s.Reset = packet[13]&1 != 0, packet[13]&4 != 0
		s.Payload = packet[offset:]
	default:
		return s, false
	}
	return s, true
}
