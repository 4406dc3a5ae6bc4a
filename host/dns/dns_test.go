package dns

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func pack(t testing.TB, m dnsmessage.Message) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func name(s string) dnsmessage.Name { return dnsmessage.MustNewName(s) }

func head(s string, ttl uint32) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: name(s), Class: dnsmessage.ClassINET, TTL: ttl}
}

func address(s string, ttl uint32, a netip.Addr) dnsmessage.Resource {
	if a.Is4() {
		return dnsmessage.Resource{Header: head(s, ttl), Body: &dnsmessage.AResource{A: a.As4()}}
	}
	return dnsmessage.Resource{Header: head(s, ttl), Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}
}

func alias(s, to string, ttl uint32) dnsmessage.Resource {
	return dnsmessage.Resource{Header: head(s, ttl), Body: &dnsmessage.CNAMEResource{CNAME: name(to)}}
}

var one, two, six = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")

func question(s string) []dnsmessage.Question {
	return []dnsmessage.Question{{Name: name(s), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
}

func TestRead(t *testing.T) {
	response := dnsmessage.Header{Response: true}
	for what, c := range map[string]struct {
		message dnsmessage.Message
		want    Answer
	}{
		"addresses of both families, the least time": {
			dnsmessage.Message{Header: response, Questions: question("WWW.Example.com."), Answers: []dnsmessage.Resource{
				address("www.example.com.", 300, one), address("www.example.COM.", 60, six),
			}},
			Answer{"www.example.com", []netip.Addr{one, six}, time.Minute},
		},
		"aliases in any order": {
			dnsmessage.Message{Header: response, Questions: question("a.test."), Answers: []dnsmessage.Resource{
				address("c.test.", 300, one), alias("b.test.", "c.test.", 20), alias("a.test.", "b.test.", 30),
			}},
			Answer{"a.test", []netip.Addr{one}, 20 * time.Second},
		},
		"an address of a name that nobody asked for is not taken": {
			dnsmessage.Message{Header: response, Questions: question("a.test."), Answers: []dnsmessage.Resource{
				address("a.test.", 300, one), address("b.test.", 1, two),
			}},
			Answer{"a.test", []netip.Addr{one}, 300 * time.Second},
		},
		"an alias that leads nowhere": {
			dnsmessage.Message{Header: response, Questions: question("a.test."), Answers: []dnsmessage.Resource{
				alias("a.test.", "b.test.", 20), address("c.test.", 300, one),
			}},
			Answer{},
		},
		"a circle of aliases": {
			dnsmessage.Message{Header: response, Questions: question("a.test."), Answers: []dnsmessage.Resource{
				alias("a.test.", "b.test.", 20), alias("b.test.", "a.test.", 20),
			}},
			Answer{},
		},
		"a question": {
			dnsmessage.Message{Questions: question("a.test."), Answers: []dnsmessage.Resource{address("a.test.", 300, one)}}, Answer{},
		},
		"an error": {
			dnsmessage.Message{
				Header:    dnsmessage.Header{Response: true, RCode: dnsmessage.RCodeNameError},
				Questions: question("a.test."), Answers: []dnsmessage.Resource{address("a.test.", 300, one)},
			}, Answer{},
		},
		"two questions": {
			dnsmessage.Message{Header: response, Questions: append(question("a.test."), question("b.test.")...), Answers: []dnsmessage.Resource{
				address("a.test.", 300, one),
			}}, Answer{},
		},
	} {
		got, err := Read(pack(t, c.message))
		if (err == nil) != (c.want.Name != "") || !reflect.DeepEqual(got, c.want) && err == nil {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	whole := pack(t, dnsmessage.Message{Header: response, Questions: question("a.test."), Answers: []dnsmessage.Resource{address("a.test.", 300, one), address("a.test.", 300, two)}})
	for cut := range len(whole) {
		if got, err := Read(whole[:cut]); err == nil {
			t.Errorf("the first %d bytes of %d say %+v", cut, len(whole), got)
		}
	}
}

func TestStreams(t *testing.T) {
	framed := func(text string) []byte {
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
	}
	wire := slices.Concat(framed("first"), framed("second, longer"))
	server, client := netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("10.0.0.1:40000")
	for size := 1; size <= len(wire); size++ {
		s := NewStreams()
		var got []string
		sequence := uint32(1<<32 - 5) // it runs over
		for piece := range slices.Chunk(wire, size) {
			for _, m := range s.Take(Segment{Server: server, Client: client, TCP: true, Sequence: sequence, Payload: piece}) {
				got = append(got, string(m))
			}
			sequence += uint32(len(piece))
		}
		if !slices.Equal(got, []string{"first", "second, longer"}) || len(s.open)+len(s.order) != 0 {
			t.Errorf("in pieces of %d bytes: %q, %d connections left", size, got, len(s.open))
		}
	}
	s := NewStreams()
	for i := range 10 * maxStreams {
		s.Take(Segment{Server: server, Client: netip.AddrPortFrom(one, uint16(i)), TCP: true, Payload: []byte{0, 9, 1}})
	}
	if len(s.open) != maxStreams || len(s.order) != maxStreams {
		t.Errorf("%d connections are held", len(s.open))
	}
	s.Take(Segment{Server: server, Client: netip.AddrPortFrom(one, uint16(10*maxStreams-1)), TCP: true, Finish: true})
	if len(s.open) != maxStreams-1 {
		t.Errorf("a connection that ended is held")
	}
}

func TestNames(t *testing.T) {
	n := NewNames(time.Second)
	start := time.Unix(1000, 0)
	learn := func(a Answer, at time.Duration) bool {
		changed, refused := n.Learn(a, start.Add(at))
		if refused {
			t.Fatalf("%+v is refused", a)
		}
		return changed
	}
	if !learn(Answer{"a", []netip.Addr{one}, time.Minute}, 0) || learn(Answer{"a", []netip.Addr{one}, time.Second}, 0) {
		t.Error("an address counts as new, or not, once")
	}
	if !learn(Answer{"a", []netip.Addr{two}, 0}, 0) {
		t.Error("an answer that is not to be kept is not kept at all")
	}
	nobody := func(netip.Addr) bool { return false }
	if got := n.Forget(start.Add(MinTTL+time.Second-1), nobody); got != nil || n.Due(start.Add(MinTTL)) {
		t.Errorf("forgotten too early: %v", got)
	}
	if got := n.Forget(start.Add(MinTTL+time.Second), func(a netip.Addr) bool { return a == two }); got != nil {
		t.Errorf("forgotten although in use: %v", got)
	}
	if got := n.Forget(start.Add(MinTTL+time.Second), nobody); !slices.Equal(got, []string{"a"}) || !slices.Equal(n.Addresses("a"), []netip.Addr{one}) {
		t.Errorf("%v changed, left are %v", got, n.Addresses("a"))
	}
	if n.Forget(start.Add(time.Hour), nobody); n.Len() != 0 || n.Addresses("a") != nil {
		t.Errorf("%d names are left", n.Len())
	}

	for i := range 2 * MaxAddressesPerName {
		learn(Answer{"many", []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}, time.Duration(i) * time.Minute}, 0)
	}
	if got := n.Addresses("many"); len(got) != MaxAddressesPerName || got[0] != netip.AddrFrom4([4]byte{10, 0, 1, 0}) {
		t.Errorf("%d addresses are kept, from %v on", len(got), got[0])
	}
	for i := range MaxNames {
		n.Learn(Answer{string(binary.BigEndian.AppendUint32(nil, uint32(i))), []netip.Addr{one}, 0}, start)
	}
	if _, refused := n.Learn(Answer{"one more", []netip.Addr{one}, 0}, start); !refused || n.Len() != MaxNames {
		t.Errorf("%d names are kept", n.Len())
	}
}

func FuzzReadFrame(f *testing.F) {
	udp := slices.Concat(make([]byte, 12), []byte{8, 0, 0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 53, 10, 0, 0, 1, 0, 53, 4, 0, 0, 11, 0, 0, 1, 2, 3})
	if s, ok := ReadFrame(udp); !ok || s.Server.String() != "192.0.2.53:53" || s.Client.String() != "10.0.0.1:1024" || s.TCP || len(s.Payload) != 3 {
		f.Fatalf("%+v, %v", s, ok)
	}
	f.Add(udp)
	f.Fuzz(func(t *testing.T, frame []byte) {
		s, ok := ReadFrame(frame)
		if !ok {
			return
		}
		if len(s.Payload) > len(frame) || !s.Server.IsValid() || !s.Client.IsValid() {
			t.Errorf("%+v", s)
		}
		NewStreams().Take(s)
		a, err := Read(s.Payload)
		if err == nil && (a.Name == "" || len(a.Addrs) == 0 || len(a.Addrs) > maxAddresses) {
			t.Errorf("%+v", a)
		}
	})
}
