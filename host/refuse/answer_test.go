package refuse

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

var ends = Ends{From: net.HardwareAddr{2, 1, 0, 0, 0, 9}, To: net.HardwareAddr{2, 0, 0, 0, 0, 1}}

// answers are frames and what they are answered with, byte for byte. Both were
// computed by a program that shares nothing with this one.
var answers = []struct {
	name   string
	kind   Kind
	frame  string
	answer string
}{
	{
		"a SYN is reset with an acknowledgement of it", Reset,
		"020000000001020100000009080045000028000040003f0626ce0a0000010a0001029c400050000003e800000000500203e8f67f0000",
		"02000000000102010000000908004500002800004000400625ce0a0001020a00000100509c4000000000000003e950140000fa540000",
	},
	{
		"data on a SYN counts, and sequence numbers wrap", Reset,
		"02000000000102010000000908004500002b000040003f0626cb0a0000010a0001029c400050fffffffe0000004d500203e835b60000616263",
		"02000000000102010000000908004500002800004000400625ce0a0001020a00000100509c40000000000000000250140000fe3b0000",
	},
	{
		"an established connection is reset where the other end is", Reset,
		"02000000000102010000000908004500002d000040003f0626c90a0000010a0001029c4000500000138800002328501803e87fca000068656c6c6f",
		"02000000000102010000000908004500002800004000400625ce0a0001020a00000100509c40000023280000000050040000db250000",
	},
	{
		"a SYN over IPv6", Reset,
		"02000000000102010000000986dd6000000000140640fd000000000000000000000000000001fd0000000000000000000000000100029c400050000003e800000000500203e8117d0000",
		"02000000000102010000000986dd6000000000140640fd000000000000000000000000010002fd00000000000000000000000000000100509c4000000000000003e95014000015520000",
	},
	{
		"a FIN over IPv6", Reset,
		"02000000000102010000000986dd6000000000140640fd000000000000000000000000000001fd0000000000000000000000000100029c4000500000138800002328501103e8dea50000",
		"02000000000102010000000986dd6000000000140640fd000000000000000000000000010002fd00000000000000000000000000000100509c40000023280000000050040000f6220000",
	},
	{
		"no ACK: sequence 0, all of the segment acknowledged (RFC 793)", Reset,
		"02000000000102010000000908004500002a00004000400625cc0a0000010a0001029c400050000003e800000000500103e87e0500007879",
		"02000000000102010000000908004500002800004000400625ce0a0001020a00000100509c4000000000000003eb50140000fa520000",
	},
	{
		"UDP, the frame padded", ICMPv4,
		"020000000001020100000009080045000021000040003f1126ca0a0000010a0001029c400035000d367f776861743f00000000000000000000000000",
		"020000000001020100000009080045c0003d00004000400124fe0a0001020a000001030d12140000000045000021000040003f1126ca0a0000010a0001029c400035000d367f776861743f",
	},
	{
		"UDP over IPv6", ICMPv6,
		"02000000000102010000000986dd60000000000d1140fd000000000000000000000000000001fd0000000000000000000000000100029c400035000d517c776861743f",
		"02000000000102010000000986dd60000000003d3a40fd000000000000000000000000010002fd000000000000000000000000000001010193520000000060000000000d1140fd000000000000000000000000000001fd0000000000000000000000000100029c400035000d517c776861743f",
	},
	{
		"an echo request", ICMPv4,
		"02000000000102010000000908004500002000004000400125db0a0000010a000102080019270007000170696e67",
		"020000000001020100000009080045c0003c00004000400124ff0a0001020a000001030dfcf2000000004500002000004000400125db0a0000010a000102080019270007000170696e67",
	},
	{
		"an echo request over IPv6", ICMPv6,
		"02000000000102010000000986dd60000000000c3a40fd000000000000000000000000000001fd0000000000000000000000000100028000a6da0007000170696e67",
		"02000000000102010000000986dd60000000003c3a40fd000000000000000000000000010002fd00000000000000000000000000000101016a7c0000000060000000000c3a40fd000000000000000000000000000001fd0000000000000000000000000100028000a6da0007000170696e67",
	},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswersByteForByte(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			frame := unhex(t, c.frame)
			got, kind, err := Answer(frame, ends)
			if err != nil {
				t.Fatal(err)
			}
			if kind != c.kind {
				t.Errorf("kind %s, want %s", kind, c.kind)
			}
			if want := unhex(t, c.answer); !bytes.Equal(got, want) {
				t.Errorf("answer\n%x, want\n%x", got, want)
			}
			if !bytes.Equal(frame, unhex(t, c.frame)) {
				t.Error("the frame was changed")
			}
			if _, _, err := Answer(got, ends); !errors.Is(err, ErrSilence) {
				t.Errorf("the answer is answered itself: %v", err)
			}
		})
	}
}

// TestAnswersAreWhatOthersRead takes ICMP errors apart with golang.org/x/net.
func TestAnswersAreWhatOthersRead(t *testing.T) {
	for _, c := range answers {
		if c.kind == Reset {
			continue
		}
		frame := unhex(t, c.frame)
		got, _, err := Answer(frame, ends)
		if err != nil {
			t.Fatal(err)
		}
		quoted, code := []byte(nil), 0
		if c.kind == ICMPv4 {
			header, err := ipv4.ParseHeader(got[14:])
			if err != nil {
				t.Fatal(err)
			}
			if header.Src.String() != "10.0.1.2" || header.Dst.String() != "10.0.0.1" || header.TTL != 64 || header.TotalLen != len(got)-14 {
				t.Errorf("%s: header %v", c.name, header)
			}
			m, err := icmp.ParseMessage(1, got[34:])
			if err != nil {
				t.Fatal(err)
			}
			if m.Type != ipv4.ICMPTypeDestinationUnreachable {
				t.Errorf("%s: type %v", c.name, m.Type)
			}
			quoted, code = m.Body.(*icmp.DstUnreach).Data, m.Code-13
			frame = frame[14:][:binary.BigEndian.Uint16(frame[16:])]
		} else {
			header, err := ipv6.ParseHeader(got[14:])
			if err != nil {
				t.Fatal(err)
			}
			if header.Src.String() != "fd00::1:2" || header.Dst.String() != "fd00::1" || header.HopLimit != 64 || header.PayloadLen != len(got)-54 {
				t.Errorf("%s: header %v", c.name, header)
			}
			m, err := icmp.ParseMessage(58, got[54:])
			if err != nil {
				t.Fatal(err)
			}
			if m.Type != ipv6.ICMPTypeDestinationUnreachable {
				t.Errorf("%s: type %v", c.name, m.Type)
			}
			quoted, code = m.Body.(*icmp.DstUnreach).Data, m.Code-1
			frame = frame[14:]
		}
		if code != 0 || !bytes.HasPrefix(quoted, frame) {
			t.Errorf("%s: code is off by %d, quoted\n%x of\n%x", c.name, code, quoted, frame)
		}
	}
}

// edit changes bytes of a frame given as hex.
func edit(t testing.TB, frame string, at int, b ...byte) []byte {
	f := unhex(t, frame)
	copy(f[at:], b)
	return f
}

func TestSilence(t *testing.T) {
	tcp4, tcp6, udp4, udp6, echo4, echo6 := answers[0].frame, answers[3].frame, answers[6].frame, answers[7].frame, answers[8].frame, answers[9].frame
	for _, c := range []struct {
		why   string
		frame []byte
	}{
		{"a TCP reset", edit(t, tcp4, 14+20+13, rst)},
		{"a TCP reset", edit(t, tcp6, 14+40+13, rst|ack)},
		{"an ICMP error, type 3", edit(t, echo4, 14+20, 3)},
		{"an ICMP error, type 11", edit(t, echo4, 14+20, 11)},
		{"an ICMP error, type 5", edit(t, echo4, 14+20, 5)},
		{"an ICMP error, type 200", edit(t, echo4, 14+20, 200)},
		{"an ICMP error, type 1", edit(t, echo6, 14+40, 1)},
		{"an ICMP error, type 2", edit(t, echo6, 14+40, 2)},
		{"an ICMP error, type 127", edit(t, echo6, 14+40, 127)},
		{"an ICMP error, type 137", edit(t, echo6, 14+40, 137)},
		{"not the first", edit(t, udp4, 14+6, 0x00, 0x01)},
		{"not the first", edit(t, udp4, 14+6, 0x20, 0x01)},
		{"not the first", withHeaders(t, udp6, 44, 17, 0, 0, 8, 0, 0, 0, 1)},
		{"more than one station", edit(t, udp4, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"more than one station", edit(t, udp6, 0, 0x33, 0x33)},
		{"destination 224.0.0.251", edit(t, udp4, 14+16, 224, 0, 0, 251)},
		{"destination 255.255.255.255", edit(t, udp4, 14+16, 255, 255, 255, 255)},
		{"destination ff02::1:2", edit(t, udp6, 14+24, 0xff, 2)},
		{"source 0.0.0.0", edit(t, udp4, 14+12, 0, 0, 0, 0)},
		{"source 127.0.0.1", edit(t, udp4, 14+12, 127, 0, 0, 1)},
		{"source 224.0.0.1", edit(t, tcp4, 14+12, 224, 0, 0, 1)},
		{"source 255.255.255.255", edit(t, udp4, 14+12, 255, 255, 255, 255)},
		{"source ::", edit(t, udp6, 14+8, make([]byte, 16)...)},
		{"source ff00::1", edit(t, tcp6, 14+8, 0xff)},
		{"both 10.0.1.2", edit(t, udp4, 14+12, 10, 0, 1, 2)},
		{"type 0x0806", edit(t, udp4, 12, 8, 6)},
		{"a frame of 13 bytes", unhex(t, udp4)[:13]},
		{"no IPv4 header", unhex(t, udp4)[:14+19]},
		{"no IPv6 header", unhex(t, udp6)[:14+39]},
		{"a TCP header of 19 bytes", unhex(t, tcp4)[:14+39]},
		{"a TCP header that says it has 60 bytes", edit(t, tcp4, 14+20+12, 0xf0)},
		{"a TCP header that says it has 16 bytes", edit(t, tcp4, 14+20+12, 0x40)},
		{"the first fragment", edit(t, tcp4, 14+6, 0x20, 0)},
		{"an ICMP message without a type", unhex(t, echo4)[:14+20]},
	} {
		got, _, err := Answer(c.frame, ends)
		if !errors.Is(err, ErrSilence) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: answered %x, %v", c.why, got, err)
		}
	}
}

// withHeaders puts extension headers before the transport of an IPv6 frame.
func withHeaders(t testing.TB, frame string, first byte, headers ...byte) []byte {
	f := unhex(t, frame)
	f = append(append(f[:54:54], headers...), f[54:]...)
	f[14+6] = first
	binary.BigEndian.PutUint16(f[14+4:], uint16(len(f)-54))
	return f
}

func TestExtensionHeadersAreNoHidingPlace(t *testing.T) {
	options := []byte{6, 0, 1, 4, 0, 0, 0, 0}
	got, kind, err := Answer(withHeaders(t, answers[3].frame, 0, options...), ends)
	if want := unhex(t, answers[3].answer); err != nil || kind != Reset || !bytes.Equal(got, want) {
		t.Errorf("behind hop-by-hop options: %x, %s, %v; want %x", got, kind, err, want)
	}
	toError := append([]byte{58}, options[1:]...)
	hidden := withHeaders(t, answers[9].frame, 60, toError...)
	hidden[54+8] = 1
	if _, _, err := Answer(hidden, ends); !errors.Is(err, ErrSilence) {
		t.Errorf("an ICMPv6 error behind destination options is answered: %v", err)
	}
	var chain []byte
	for range 100 {
		chain = append(chain, 60, 0, 1, 4, 0, 0, 0, 0)
	}
	if _, _, err := Answer(withHeaders(t, answers[3].frame, 60, chain...), ends); !errors.Is(err, ErrSilence) {
		t.Errorf("a chain of 100 headers: %v", err)
	}
}

func TestErrorsQuoteNoMoreThanTheyMay(t *testing.T) {
	for _, c := range []struct {
		frame string
		most  int
	}{{answers[6].frame, 576}, {answers[7].frame, 1280}} {
		f := unhex(t, c.frame)
		f = append(f, make([]byte, 4000)...)
		if c.most == 576 {
			binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
		} else {
			binary.BigEndian.PutUint16(f[18:], uint16(len(f)-54))
		}
		got, _, err := Answer(f, ends)
		if err != nil || len(got) != 14+c.most {
			t.Errorf("answer of %d bytes, want %d (%v)", len(got)-14, c.most, err)
		}
	}
}

// FuzzAnswer: whatever comes, there is no panic, no answer to an answer, and every
// answer is whole, with right checksums, from the one who was asked to the sender.
func FuzzAnswer(f *testing.F) {
	for _, c := range answers {
		f.Add(unhex(f, c.frame))
		f.Add(unhex(f, c.answer))
	}
	f.Add(withHeaders(f, answers[3].frame, 0, 6, 0, 1, 4, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, _, err := Answer(frame, ends)
		if err != nil {
			return
		}
		if _, _, err := Answer(got, ends); err == nil {
			t.Fatalf("%x is answered by %x, which would be answered", frame, got)
		}
		p, err := read(got)
		if err != nil {
			t.Fatalf("answer %x: %v", got, err)
		}
		asked, _ := read(frame)
		if p.source != asked.destination || p.destination != asked.source {
			t.Fatalf("the answer goes from %s to %s, the packet from %s to %s", p.source, p.destination, asked.source, asked.destination)
		}
		whole := sum(p.payload, 0)
		if p.protocol != protoICMP {
			whole = sum(p.payload, p.pseudo(p.protocol, len(p.payload)))
		}
		if fold(whole) != 0 {
			t.Fatalf("answer %x: its checksum is wrong", got)
		}
		if p.source.Is4() && fold(sum(p.ip[:20], 0)) != 0 {
			t.Fatalf("answer %x: the header's checksum is wrong", got)
		}
		if len(got) > 14+1280 || len(p.ip) != len(got)-14 || p.ip[8-p.source.BitLen()/128] != 64 {
			t.Fatalf("answer %x", got)
		}
	})
}

func TestIsHost(t *testing.T) {
	for a, want := range map[string]bool{
		"10.0.0.1": true, "169.254.1.1": true, "0.1.2.3": false, "240.0.0.1": false, "fe80::1": true, "::1": false, "ff02::1": false,
	} {
		if got := isHost(netip.MustParseAddr(a)); got != want {
			t.Errorf("isHost(%s) = %t", a, got)
		}
	}
}

func TestUnreachableSaysThatThePortIs(t *testing.T) {
	for _, c := range answers {
		prohibited, kind, err := Answer(unhex(t, c.frame), ends)
		if err != nil {
			t.Fatal(err)
		}
		got, sameKind, err := Unreachable(unhex(t, c.frame), ends)
		if err != nil || sameKind != kind {
			t.Fatalf("%s: answered by %q, %v; want %q", c.name, sameKind, err, kind)
		}
		switch kind {
		case Reset:
			if !bytes.Equal(got, prohibited) {
				t.Errorf("%s: not the same reset", c.name)
			}
		case ICMPv4:
			m, err := icmp.ParseMessage(1, got[14+20:])
			if err != nil || m.Type != ipv4.ICMPTypeDestinationUnreachable || m.Code != 3 {
				t.Errorf("%s: %+v, %v; want port unreachable", c.name, m, err)
			}
		case ICMPv6:
			m, err := icmp.ParseMessage(58, got[14+40:])
			if err != nil || m.Type != ipv6.ICMPTypeDestinationUnreachable || m.Code != 4 {
				t.Errorf("%s: %+v, %v; want port unreachable", c.name, m, err)
			}
		}
	}
}
