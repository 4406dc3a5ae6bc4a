package transparency

import (
	"encoding/binary"
	"fmt"
)

// normal brings a packet into the form in which packets of two runs are
// compared. What the test wrote stays as it came. Of packets that a kernel made
// (made), the identification and with it the checksum of the IPv4 header are
// left out, as it counts or draws them; and a checksum that was left to
// a device is computed.
func normal(packet []byte, partial, made bool) []byte {
	p, err := parse(packet)
	if err != nil {
		return packet
	}
	b := append([]byte(nil), packet[:min(p.length, len(packet))]...)
	if partial {
		completeChecksum(b)
	}
	if !made {
		return b
	}
	if p.v6 {
		if b[6] == protoFragment && len(b) >= 48 {
			copy(b[44:48], "made")
		}
		return b
	}
	if header := b[:int(b[0]&15)*4]; checksum(0, header) == 0 {
		binary.BigEndian.PutUint16(b[4:], 0)
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], checksum(0, header))
	}
	return b
}

func completeChecksum(b []byte) {
	p, err := parse(b)
	if err != nil || p.isFragment {
		return
	}
	at := map[uint8]int{protoTCP: 16, protoUDP: 6}[p.proto]
	if at == 0 || len(p.payload) < at+2 {
		return
	}
	l4 := b[len(b)-len(p.payload):]
	binary.BigEndian.PutUint16(l4[at:], 0)
	binary.BigEndian.PutUint16(l4[at:], checksum(pseudo(p.src, p.dst, p.proto, len(l4)), l4))
}

// madeByKernel says that it was not the test that wrote a packet: all that comes
// of ordinary sockets, resets, answers to echoes, and errors, except where
// errors are what the test writes.
func (k kase) madeByKernel(p parsed, atSender bool) bool {
	if _, isError := p.icmpError(); isError {
		return k.protocol != "ICMP errors"
	}
	answer := atSender && k.protocol == "echo"
	reset := p.proto == protoTCP && p.offset == 0 && len(p.payload) > 13 && p.payload[13]&rst != 0
	return k.ordinary() || answer || reset || k.protocol == "TTL" && atSender && (p.proto == protoICMP || p.proto == protoICMPv6)
}

// books attributes packets to the numbers of cases.
type books struct {
	first, last uint16
	// datagrams that a kernel fragmented: only the first fragment has ports
	fragments map[string]uint16
}

func (k *books) has(n uint32) bool { return n >= uint32(k.first) && n <= uint32(k.last) }

func fragmentKey(p parsed) string {
	return fmt.Sprint(p.src, p.dst, p.proto, p.fragmentID)
}

// number is that of the case that a packet belongs to.
func (k *books) number(packet []byte) (uint16, bool) {
	p, err := parse(packet)
	if err != nil {
		return 0, false
	}
	if about, isError := p.icmpError(); isError {
		return k.number(about)
	}
	if from, to, ok := p.ports(); ok {
		for _, n := range []uint16{from, to} {
			if k.has(uint32(n)) {
				if p.isFragment {
					k.fragments[fragmentKey(p)] = n
				}
				return n, true
			}
		}
	}
	if p.isFragment {
		if n, ok := k.fragments[fragmentKey(p)]; ok {
			return n, true
		}
		return uint16(p.fragmentID), k.has(p.fragmentID)
	}
	if k.has(p.number) {
		return uint16(p.number), true
	}
	return 0, false
}
