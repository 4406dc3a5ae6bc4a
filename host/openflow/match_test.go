package openflow

import (
	"bytes"
	"net"
	"testing"
)

// TestSameMeaningSameMatch lists matches that mean the same in different words.
func TestSameMeaningSameMatch(t *testing.T) {
	tcp := ipv4Proto(6)
	for _, test := range []struct {
		name string
		a, b Match
	}{
		{"order", MatchOf(TCPDst.Is(80), IPProto.Is(6), EthType.Is(0x800)), MatchOf(with(tcp, TCPDst.Is(80))...)},
		{"full mask", MatchOf(TCPDst.Masked(80, 0xffff)), MatchOf(TCPDst.Is(80))},
		{"empty mask", MatchOf(TCPDst.Masked(80, 0)), Match{}},
		{"bits outside the mask", MatchOf(Reg(1).Masked(0xff, 0x0f)), MatchOf(Reg(1).Masked(0x0f, 0x0f))},
		{"prefix with host bits", MatchOf(IPv4Src.Prefix(prefix("10.1.2.3/8"))), MatchOf(IPv4Src.Prefix(prefix("10.0.0.0/8")))},
		{"host prefix", MatchOf(IPv6Dst.Prefix(prefix("fd00::1/128"))), MatchOf(IPv6Dst.Addr(ip("fd00::1")))},
		{"prefix of everything", MatchOf(IPv6Dst.Prefix(prefix("::/0"))), Match{}},
		{"zone", MatchOf(IPv6Dst.Addr(ip("fe80::1%eth0"))), MatchOf(IPv6Dst.Addr(ip("fe80::1")))},
		{"address as bytes", MatchOf(IPv4Dst.Bytes([]byte{10, 0, 0, 1}, []byte{255, 255, 255, 255})), MatchOf(IPv4Dst.Addr(ip("10.0.0.1")))},
		{"address as number", MatchOf(IPv4Dst.Is(0x0a000001)), MatchOf(IPv4Dst.Addr(ip("10.0.0.1")))},
		{"mac as number", MatchOf(EthDst.Is(0x020000000001)), MatchOf(EthDst.MAC(mac1))},
		{"twice the same", MatchOf(IPProto.Is(6), IPProto.Is(6)), MatchOf(IPProto.Is(6))},
		{"joined bits", MatchOf(Reg(1).Masked(1, 1), Reg(1).Masked(2, 6)), MatchOf(Reg(1).Masked(3, 7))},
		{"joined to exact", MatchOf(CTZone.Masked(0xab00, 0xff00), CTZone.Masked(0xcd, 0xff)), MatchOf(CTZone.Is(0xabcd))},
		{"xreg", MatchOf(XReg(1).Is(0x0000000700000009)), MatchOf(Reg(2).Is(7), Reg(3).Is(9))},
		{"half of an xreg", MatchOf(XReg(1).Masked(9, 0xffffffff)), MatchOf(Reg(3).Is(9))},
		{"xxreg", MatchOf(XXReg(1).Bytes([]byte{0, 0, 0, 1, 15: 4}, nil)), MatchOf(Reg(4).Is(1), Reg(5).Is(0), Reg(6).Is(0), Reg(7).Is(4))},
		{"xreg and reg", MatchOf(XReg(0).Masked(5, 7), Reg(1).Masked(8, 8)), MatchOf(Reg(1).Masked(13, 15))},
		{"ct_state", MatchOf(CTState.Is(3)), MatchOf(CTState.Masked(3, 0xff))},
		{"vlan mask", MatchOf(VLANVID.Masked(0x1005, 0x1fff)), MatchOf(VLANVID.Is(0x1005))},
		{"frag mask", MatchOf(IPFrag.Masked(1, 3)), MatchOf(IPFrag.Is(1))},
		{"in_port", MatchOf(InPort16.Is(0xfffe)), MatchOf(InPort.Is(uint64(PortLocal)))},
		{"and", MatchOf(tcp...).And(TCPDst.Is(1)), MatchOf(with(tcp, TCPDst.Is(1))...)},
		{"clauses again", MatchOf(MatchOf(with(tcp, XReg(2).Is(1), CTState.Is(1), InPort16.Is(3))...).Clauses()...), MatchOf(with(tcp, XReg(2).Is(1), CTState.Is(1), InPort16.Is(3))...)},
	} {
		if test.a != test.b {
			t.Errorf("%s: %s (%x) and %s (%x) differ", test.name, test.a, test.a.oxm, test.b, test.b.oxm)
		}
	}
}

func TestDifferentMeaningDifferentMatch(t *testing.T) {
	seen := make(map[Match]string)
	for _, s := range samples() {
		if s.flow.Table != 1 {
			continue
		}
		if other, twice := seen[s.flow.Match]; twice && s.name != other {
			t.Errorf("%s and %s are the same match %s", s.name, other, s.flow.Match)
		}
		seen[s.flow.Match] = s.name
	}
}

func TestClauseTellsWhatItIs(t *testing.T) {
	clauses := MatchOf(EthType.Is(0x800), IPv4Src.Prefix(prefix("10.0.0.0/8")), Reg(1).Masked(0x10, 0xf0)).Clauses()
	if len(clauses) != 3 || clauses[0].Field() != EthType || clauses[1].Field() != IPv4Src || clauses[2].Field() != Reg(1) {
		t.Fatalf("clauses %v", clauses)
	}
	if value, mask := clauses[0].Uint64(); value != 0x800 || mask != 0xffff {
		t.Errorf("eth_type %#x/%#x", value, mask)
	}
	if value, mask := clauses[2].Uint64(); value != 0x10 || mask != 0xf0 {
		t.Errorf("reg1 %#x/%#x", value, mask)
	}
	if !bytes.Equal(clauses[1].Value(), []byte{10, 0, 0, 0}) || !bytes.Equal(clauses[1].Mask(), []byte{255, 0, 0, 0}) || !bytes.Equal(clauses[0].Mask(), []byte{255, 255}) {
		t.Errorf("values and masks %x/%x, %x", clauses[1].Value(), clauses[1].Mask(), clauses[0].Mask())
	}
	if TCPDst.Bits() != 16 || TCPDst.String() != "tcp_dst" || Field(255).String() != "unknown" {
		t.Errorf("%d bits, %s, %s", TCPDst.Bits(), TCPDst, Field(255))
	}
}

func TestNonsensePanics(t *testing.T) {
	for name, nonsense := range map[string]func(){
		"port of 17 bits":         func() { TCPDst.Is(65536) },
		"mask of 17 bits":         func() { TCPDst.Masked(1, 0x10000) },
		"number of 128 bits":      func() { IPv6Src.Is(1) },
		"register 16":             func() { Reg(16) },
		"register -1":             func() { XXReg(-1) },
		"MAC for an address":      func() { IPv4Src.MAC(mac1) },
		"long MAC":                func() { EthSrc.MAC(make(net.HardwareAddr, 8)) },
		"IPv6 for IPv4":           func() { IPv4Src.Addr(ip("::1")) },
		"IPv4 for IPv6":           func() { CTIPv6Dst.Addr(ip("1.2.3.4")) },
		"address for a port":      func() { TCPDst.Addr(ip("1.2.3.4")) },
		"bytes of another length": func() { IPv4Src.Bytes([]byte{1}, nil) },
		"mask of another length":  func() { IPv4Src.Bytes([]byte{1, 2, 3, 4}, []byte{1}) },
		"contradiction":           func() { MatchOf(IPProto.Is(6), IPProto.Is(17)) },
		"contradiction of bits":   func() { MatchOf(XReg(0).Is(1), Reg(1).Masked(0, 1)) },
		"zero Clause":             func() { MatchOf(Clause{}) },
		"setting the zero Clause": func() { SetField(Clause{}) },
		"load of too much":        func() { Load(Reg(0), 0, 4, 16) },
		"load beyond the field":   func() { Load(Reg(0), 30, 4, 1) },
		"move beyond the field":   func() { Move(Reg(0), 0, TCPDst, 1, 16) },
		"push of nothing":         func() { Push(Reg(0), 0, 0) },
		"conjunction of one":      func() { Conjunction(1, 1, 1) },
		"conjunction clause 0":    func() { Conjunction(1, 0, 2) },
		"learning a mask":         func() { LearnMatch(Reg(0).Masked(1, 1)) },
		"learning other widths":   func() { LearnCopy(Reg(0).All(), TCPDst.All()) },
		"NAT of two families":     func() { Do(CT{NAT: &NAT{Min: ip("1.1.1.1"), Max: ip("::1")}}) },
		"NAT backwards":           func() { Do(CT{NAT: &NAT{Min: ip("1.1.1.2"), Max: ip("1.1.1.1")}}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			nonsense()
		})
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	// nsh_mdtype, an experimenter's field, and in_port; then the same with packet_type in front, which is dropped.
	unknown := []byte{0xff, 0xff, 4, 5, 0, 0x5a, 0xd6, 0x50, 2}
	wire := append(append([]byte{}, unknown...), 0x80, 0, 0, 4, 0, 0, 0, 3)
	m, err := decodeMatch(wire)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeMatch([]byte(m.oxm))
	if err != nil || again != m {
		t.Errorf("decoded again: %x, want %x, error %v", again.oxm, m.oxm, err)
	}
	if clauses := m.Clauses(); len(clauses) != 2 || clauses[1].Field().String() != "unknown" || MatchOf(clauses...) != m {
		t.Errorf("clauses %v", m.Clauses())
	}
	ethernet, err := decodeMatch(append([]byte{0x80, 0, 44 << 1, 4, 0, 0, 0, 0}, wire...))
	if err != nil || ethernet != m {
		t.Errorf("with packet_type: %x, want %x, error %v", ethernet.oxm, m.oxm, err)
	}
	if got, want := m.String(), "in_port=3,oxm(ffff0405005ad65002)"; got != want {
		t.Errorf("text %s, want %s", got, want)
	}
}
