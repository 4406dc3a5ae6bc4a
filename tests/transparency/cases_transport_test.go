package transparency

import "encoding/binary"

// maker makes a case of both families.
type maker func(name, protocol string, steps func(b between) []step) kase

func tcpCases(both maker) []kase {
	full := func(b between) int { return b.mtu - b.headers() - 20 }
	return []kase{
		both("a connection", "TCP", func(b between) []step {
			to := func(h header, s segment) step {
				s.from, s.to = b.number, quietPort
				return step{packets: [][]byte{b.ip(protoTCP, h, tcp(b.src, b.dst, s))}}
			}
			r := b.reverse()
			back := func(h header, s segment) step {
				s.from, s.to = quietPort, b.number
				return step{back: true, packets: [][]byte{r.ip(protoTCP, h, tcp(r.src, r.dst, s))}}
			}
			// maximum segment size, SACK permitted, timestamps, window scale
			opening := []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
			stamp := []byte{1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 3}
			df := header{df: true}
			return []step{
				to(df, segment{seq: 1000, flags: syn | ece | cwr, options: opening}),
				back(df, segment{seq: 5000, ack: 1001, flags: syn | ack | ece, options: opening}),
				to(df, segment{seq: 1001, ack: 5001, flags: ack, options: stamp}),
				to(header{df: true, tos: 2}, segment{seq: 1001, ack: 5001, flags: ack | psh, options: stamp, payload: content(400)}),
				back(header{df: true, tos: 3}, segment{seq: 5001, ack: 1401, flags: ack | psh | ece, options: stamp, payload: content(700)}),
				to(df, segment{seq: 1401, ack: 5701, flags: ack | cwr | urg, urgent: 5, options: stamp, payload: content(10)}),
				back(df, segment{seq: 5701, ack: 1411, flags: ack | fin, options: stamp}),
				to(df, segment{seq: 1411, ack: 5702, flags: ack | fin, options: stamp}),
				back(df, segment{seq: 5702, ack: 1412, flags: ack, options: stamp}),
			}
		}),
		{name: "as large as the MTU", protocol: "TCP", size: true, v4: true, v6: true, steps: func(b between) []step {
			r := b.reverse()
			s := func(flags uint16, seq, acked uint32, n int) segment {
				return segment{from: b.number, to: quietPort, seq: seq, ack: acked, flags: flags, payload: content(n)}
			}
			answer := segment{from: quietPort, to: b.number, seq: 70, ack: 8, flags: syn | ack}
			return []step{
				{packets: [][]byte{b.ip(protoTCP, header{df: true}, tcp(b.src, b.dst, s(syn, 7, 0, 0)))}},
				{back: true, packets: [][]byte{r.ip(protoTCP, header{df: true}, tcp(r.src, r.dst, answer))}},
				{packets: [][]byte{b.ip(protoTCP, header{df: true}, tcp(b.src, b.dst, s(ack, 8, 71, 0)))}},
				{packets: [][]byte{b.ip(protoTCP, header{df: true}, tcp(b.src, b.dst, s(ack|psh, 8, 71, full(b))))}},
			}
		}},
		both("refused", "TCP", func(b between) []step {
			return one(b.ip(protoTCP, header{}, tcp(b.src, b.dst, segment{from: b.number, to: closedPort, seq: 77, flags: syn})))
		}),
	}
}

// initValue is the body of an INIT or INIT ACK chunk, with an initiate tag.
func initValue(tag uint32) []byte {
	v := binary.BigEndian.AppendUint32(nil, tag)
	v = append(v, 0, 1, 0, 0, 0, 10, 0, 10)
	return binary.BigEndian.AppendUint32(v, 1)
}

func sctpCases(both maker) []kase {
	const mine, theirs = 0x1111, 0x2222
	return []kase{
		both("an association", "SCTP", func(b between) []step {
			r := b.reverse()
			to := func(tag uint32, chunk uint8, value []byte) step {
				return step{packets: [][]byte{b.ip(protoSCTP, header{}, sctp(b.number, quietPort, tag, chunk, 0, value))}}
			}
			back := func(tag uint32, chunk uint8, value []byte) step {
				return step{back: true, packets: [][]byte{r.ip(protoSCTP, header{}, sctp(quietPort, b.number, tag, chunk, 0, value))}}
			}
			cookie := append([]byte{0, 7, 0, 20}, content(16)...)
			data := append([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, content(100)...)
			return []step{
				to(0, 1, initValue(mine)),                                 // INIT
				back(mine, 2, append(initValue(theirs), cookie...)),       // INIT ACK
				to(theirs, 10, content(16)),                               // COOKIE ECHO
				back(mine, 11, nil),                                       // COOKIE ACK
				to(theirs, 0, data),                                       // DATA
				back(mine, 3, []byte{0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), // SACK
				to(theirs, 7, []byte{0, 0, 0, 1}),                         // SHUTDOWN
				back(mine, 8, nil),                                        // SHUTDOWN ACK
				to(theirs, 14, nil),                                       // SHUTDOWN COMPLETE
			}
		}),
	}
}
