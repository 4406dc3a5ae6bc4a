package transparency

import (
	"encoding/binary"
	"net/netip"
)

// between is what a case knows: two ends, the case's own number, by which its
// packets are told from all others, and the MTU of the sender.
type between struct {
	src, dst netip.Addr
	number   uint16
	mtu      int
}

// step is what one end sends at once.
type step struct {
	back     bool // from the receiver to the sender
	packets  [][]byte
	ordinary *datagram
}

// datagram is sent by an ordinary socket.
type datagram struct {
	proto   int
	port    uint16
	payload []byte
}

// kase is one exchange of packets.
type kase struct {
	name     string
	protocol string // of the table
	steps    func(b between) []step
	v4, v6   bool // in which families
	size     bool // it is about sizes: for paths on which one MTU is smaller
}

func (b between) ip(proto uint8, h header, payload []byte) []byte {
	return ipPacket(b.src, b.dst, b.number, proto, h, payload)
}

// reverse is the same seen from the other end.
func (b between) reverse() between { b.src, b.dst = b.dst, b.src; return b }

func (b between) udp(h header, n int) []byte {
	return b.ip(protoUDP, h, udp(b.src, b.dst, b.number, quietPort, content(n)))
}

func (b between) answer(h header, n int) []byte {
	r := b.reverse()
	return r.ip(protoUDP, h, udp(r.src, r.dst, quietPort, b.number, content(n)))
}

func (b between) headers() int {
	if b.src.Is6() {
		return 40
	}
	return 20
}

func (b between) icmp() uint8 {
	if b.src.Is6() {
		return protoICMPv6
	}
	return protoICMP
}

// echoRequest and its answer have these types.
func (b between) echo() (request uint8) {
	if b.src.Is6() {
		return 128
	}
	return 8
}

func (b between) ping(n int) []byte {
	return icmp(b.src, b.dst, b.echo(), 0, uint32(b.number)<<16|1, content(n))
}

func one(packets ...[]byte) []step { return []step{{packets: packets}} }

// each sends packets one after the other.
func each(packets ...[]byte) []step {
	var steps []step
	for _, p := range packets {
		steps = append(steps, step{packets: [][]byte{p}})
	}
	return steps
}

// cases are all exchanges. Their order is that in which they are made.
func cases() []kase {
	both := func(name, protocol string, steps func(b between) []step) kase {
		return kase{name: name, protocol: protocol, steps: steps, v4: true, v6: true}
	}
	only4 := func(k kase) kase { k.v6 = false; return k }
	only6 := func(k kase) kase { k.v4 = false; return k }
	sized := func(k kase) kase { k.size = true; return k }
	list := []kase{
		both("datagrams both ways", "UDP", func(b between) []step {
			return []step{
				{packets: [][]byte{b.udp(header{}, 100)}},
				{back: true, packets: [][]byte{b.answer(header{}, 200)}},
				{packets: [][]byte{b.udp(header{}, 1), b.udp(header{}, 0)}},
			}
		}),
		both("from an ordinary socket", "UDP", func(b between) []step {
			return []step{{ordinary: &datagram{protoUDP, quietPort, content(300)}}}
		}),
		both("port unreachable", "UDP", func(b between) []step {
			return one(b.ip(protoUDP, header{}, udp(b.src, b.dst, b.number, closedPort, content(40))))
		}),
		sized(both("as large as the MTU", "UDP", func(b between) []step {
			return one(b.udp(header{df: true}, b.mtu-b.headers()-8))
		})),
		sized(only4(both("as large as the MTU, may be fragmented", "UDP", func(b between) []step {
			return one(b.udp(header{}, b.mtu-b.headers()-8))
		}))),
		only4(both("without checksum", "UDP", func(b between) []step {
			u := udp(b.src, b.dst, b.number, quietPort, content(33))
			u[6], u[7] = 0, 0
			return one(b.ip(protoUDP, header{}, u))
		})),
	}
	list = append(list, tcpCases(both)...)
	list = append(list, sctpCases(both)...)
	list = append(list,
		both("answered", "echo", func(b between) []step { return one(b.ip(b.icmp(), header{}, b.ping(56))) }),
		both("answered, marked", "echo", func(b between) []step { return one(b.ip(b.icmp(), header{tos: 0xb8 | 2}, b.ping(56))) }),
		both("from an ordinary socket", "echo", func(b between) []step {
			message := b.ping(64)
			message[2], message[3] = 0, 0
			if b.src.Is4() {
				binary.BigEndian.PutUint16(message[2:], checksum(0, message))
			}
			return []step{{ordinary: &datagram{int(b.icmp()), 0, message}}}
		}),
		both("fragmented, answered", "echo", func(b between) []step {
			return one(pieces(b.src, b.dst, b.number, b.icmp(), header{}, b.ping(b.mtu*2), b.piece())...)
		}),
	)
	for _, ttl := range []uint8{1, 2, 3, 4, 255} {
		name := map[uint8]string{1: "TTL 1", 2: "TTL 2", 3: "TTL 3", 4: "TTL 4", 255: "TTL 255"}[ttl]
		h := header{ttl: ttl}
		list = append(list,
			both("UDP "+name, "TTL", func(b between) []step { return one(b.udp(h, 64)) }),
			both("echo "+name, "TTL", func(b between) []step { return one(b.ip(b.icmp(), h, b.ping(56))) }),
			both("SYN "+name, "TTL", func(b between) []step {
				return one(b.ip(protoTCP, h, tcp(b.src, b.dst, segment{from: b.number, to: quietPort, seq: 9, flags: syn})))
			}),
			both("SCTP INIT "+name, "TTL", func(b between) []step {
				return one(b.ip(protoSCTP, h, sctp(b.number, quietPort, 0, 1, 0, initValue(7))))
			}))
	}
	list = append(list,
		both("fragments TTL 1", "TTL", func(b between) []step {
			return one(b.fragments(header{ttl: 1}, b.mtu*2, b.piece())...)
		}),
		both("fragments TTL 2", "TTL", func(b between) []step {
			return one(b.fragments(header{ttl: 2}, b.mtu*2, b.piece())...)
		}),
		both("later TTL 1", "TTL", func(b between) []step { // of a connection that is known
			return []step{
				{packets: [][]byte{b.udp(header{}, 10)}},
				{back: true, packets: [][]byte{b.answer(header{ttl: 1}, 11)}},
				{packets: [][]byte{b.udp(header{ttl: 1}, 12)}},
			}
		}),
		both("every class", "DSCP/ECN", func(b between) []step {
			var all [][]byte
			for dscp := range uint8(64) {
				all = append(all, b.udp(header{tos: dscp<<2 | dscp&3}, int(dscp)))
			}
			return each(all...)
		}),
	)
	list = append(list, fragmentCases(both)...)
	list = append(list, optionCases(both, only4, only6)...)
	for _, other := range []struct {
		name  string
		proto uint8
	}{{"ESP", protoESP}, {"GRE", protoGRE}, {"protocol 253", protoTrial}} {
		list = append(list, both(other.name, "other", func(b between) []step {
			return one(b.ip(other.proto, header{}, append([]byte{0, 0, 0x88, 0xb5}, content(60)...)))
		}))
	}
	// At last, as kernels believe some of them.
	return append(list, errorCases(both)...)
}
