package transparency

import "slices"

// fragments are those of one datagram.
func (b between) fragments(h header, n, size int) [][]byte {
	return pieces(b.src, b.dst, b.number, protoUDP, h, udp(b.src, b.dst, b.number, quietPort, content(n)), size)
}

// piece is the size of the largest fragment.
func (b between) piece() int {
	if b.src.Is6() {
		return (b.mtu - 48) &^ 7
	}
	return (b.mtu - 20) &^ 7
}

func fragmentCases(both maker) []kase {
	full := between.piece
	return []kase{
		both("in order", "fragments", func(b between) []step { return one(b.fragments(header{}, b.mtu*8/3, full(b))...) }),
		both("last one first", "fragments", func(b between) []step {
			all := b.fragments(header{}, b.mtu*8/3, full(b))
			slices.Reverse(all)
			return one(all...)
		}),
		both("marked, both ways", "fragments", func(b between) []step {
			r := b.reverse()
			answer := udp(r.src, r.dst, quietPort, b.number, content(b.mtu*2))
			return []step{
				{packets: b.fragments(header{tos: 0x2e << 2}, b.mtu*2, full(b))},
				{back: true, packets: pieces(r.src, r.dst, b.number, protoUDP, header{tos: 0x0a << 2}, answer, full(b))},
			}
		}),
		both("of unequal size", "fragments", func(b between) []step { // as a second router leaves them
			whole := udp(b.src, b.dst, b.number, quietPort, content(full(b)+1400))
			var all [][]byte
			for _, cut := range [][2]int{{0, 1240}, {1240, 1240 + 8*((full(b)-8)/8)}, {1240 + 8*((full(b)-8)/8), len(whole)}} {
				cut[1] = min(cut[1], len(whole))
				h := header{fragment: &fragment{cut[0], cut[1] < len(whole)}}
				all = append(all, b.ip(protoUDP, h, whole[cut[0]:cut[1]]))
			}
			return one(all...)
		}),
		both("of 576 bytes", "fragments", func(b between) []step {
			return one(b.fragments(header{}, 2000, 576-b.headers()-8)...)
		}),
		both("of 68 bytes", "fragments", func(b between) []step { // the smallest that IPv4 allows (RFC 791)
			return one(b.fragments(header{}, 200, 48)...)
		}),
		both("by an ordinary socket", "fragments", func(b between) []step {
			return []step{{ordinary: &datagram{protoUDP, quietPort, content(b.mtu * 8 / 3)}}}
		}),
		both("TCP", "fragments", func(b between) []step {
			s := tcp(b.src, b.dst, segment{from: b.number, to: quietPort, seq: 3, flags: syn, payload: content(b.mtu)})
			return one(pieces(b.src, b.dst, b.number, protoTCP, header{}, s, full(b))...)
		}),
		both("first one only", "fragments", func(b between) []step {
			return one(b.fragments(header{}, b.mtu*2, full(b))[0])
		}),
	}
}

func errorCases(both maker) []kase {
	// about sends a datagram, as whose answer an error comes back.
	about := func(name string, v4, v6 [2]uint8, rest uint32) kase {
		return both(name, "ICMP errors", func(b between) []step {
			r, kind, quoted := b.reverse(), v4, 28
			if b.src.Is6() {
				kind, quoted = v6, 500
			}
			datagram := b.udp(header{}, 500)
			// The quoted packet has travelled: its TTL has not to be what it was.
			message := icmp(r.src, r.dst, kind[0], kind[1], rest, datagram[:quoted])
			return []step{
				{packets: [][]byte{datagram}},
				{back: true, packets: [][]byte{r.ip(b.icmp(), header{tos: 0xc0}, message)}},
			}
		})
	}
	return []kase{
		about("host unreachable", [2]uint8{3, 1}, [2]uint8{1, 3}, 0),
		about("prohibited", [2]uint8{3, 13}, [2]uint8{1, 1}, 0),
		about("time exceeded", [2]uint8{11, 0}, [2]uint8{3, 0}, 0),
		about("parameter problem", [2]uint8{12, 0}, [2]uint8{4, 1}, 0),
		about("too big", [2]uint8{3, 4}, [2]uint8{2, 0}, 1400),
		both("about nothing", "ICMP errors", func(b between) []step {
			quoted := b.answer(header{}, 20)
			kind := uint8(11)
			if b.src.Is6() {
				kind = 3
			}
			return one(b.ip(b.icmp(), header{}, icmp(b.src, b.dst, kind, 0, 0, quoted[:min(len(quoted), b.headers()+8)])))
		}),
	}
}

func optionCases(both maker, only4, only6 func(kase) kase) []kase {
	var list []kase
	for _, o := range []struct {
		name  string
		bytes []byte
	}{
		{"no operation", []byte{1, 1, 1, 1}},
		{"router alert", []byte{0x94, 4, 0, 0}},
		{"experiment", []byte{0x5e, 8, 1, 2, 3, 4, 5, 6}}, // RFC 4727
		{"record route", []byte{7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"timestamp, full", []byte{68, 8, 9, 0, 1, 2, 3, 4}},
		{"source route, used up", []byte{0x83, 7, 8, 9, 9, 9, 9, 0}},
		{"source route", []byte{0x83, 7, 4, 9, 9, 9, 9, 0}},
	} {
		list = append(list, only4(both(o.name, "options", func(b between) []step {
			return one(b.udp(header{options: o.bytes}, 77))
		})))
	}
	for _, o := range []struct {
		name  string
		first uint8
		bytes []byte
		last  int
	}{
		{"hop-by-hop padding", protoHopByHop, []byte{0, 0, 1, 4, 0, 0, 0, 0}, 0},
		{"hop-by-hop router alert", protoHopByHop, []byte{0, 0, 5, 2, 0, 0, 1, 0}, 0},
		{"destination padding", protoOptions, []byte{0, 0, 1, 4, 0, 0, 0, 0}, 0},
		{"hop-by-hop and destination", protoHopByHop, []byte{protoOptions, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0}, 8},
		{"atomic fragment", protoFragment, []byte{0, 0, 0, 0, 0, 0, 0x43, 0x21}, 0}, // RFC 6946
	} {
		list = append(list, only6(both(o.name, "options", func(b between) []step {
			return one(b.udp(header{extension: o.first, extensions: o.bytes, lastExtension: o.last}, 77))
		})))
	}
	return list
}
