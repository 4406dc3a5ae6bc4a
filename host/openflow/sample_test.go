package openflow

import (
	"net"
	"net/netip"
)

// sample is a flow with a name, which is also its row in the golden text.
type sample struct {
	name string
	flow Flow
}

var (
	mac1 = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}
	mac2 = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02}
)

func ip(s string) netip.Addr                { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix          { return netip.MustParsePrefix(s) }
func isIPv4() Clause                        { return EthType.Is(0x0800) }
func isIPv6() Clause                        { return EthType.Is(0x86dd) }
func isARP() Clause                         { return EthType.Is(0x0806) }
func ipv4Proto(n uint64) []Clause           { return []Clause{isIPv4(), IPProto.Is(n)} }
func ipv6Proto(n uint64) []Clause           { return []Clause{isIPv6(), IPProto.Is(n)} }
func with(a []Clause, b ...Clause) []Clause { return append(append([]Clause(nil), a...), b...) }

// samples has at least one flow for every field and every action, and mixtures like those of real pipelines.
// All keys differ, so that they can be in the switch at the same time. Group 7 and meter 5 must exist.
func samples() []sample {
	var list []sample
	match := func(name string, clauses ...Clause) {
		list = append(list, sample{name, Flow{Table: 1, Priority: uint16(1000 + len(list)), Match: MatchOf(clauses...), Actions: Do(Output(1))}})
	}
	ips := []Clause{isIPv4()}
	tcp, udp, sctp := ipv4Proto(6), ipv4Proto(17), ipv4Proto(132)
	nd := func(kind uint64) []Clause { return with(ipv6Proto(58), ICMPv6Type.Is(kind), ICMPv6Code.Is(0)) }

	match("everything")
	match("conj_id", ConjID.Is(42))
	match("in_port", InPort.Is(3))
	match("in_port of 16 bits", InPort16.Is(4))
	match("in_port local", InPort.Is(uint64(PortLocal)))
	match("eth_src", EthSrc.MAC(mac1))
	match("eth_src masked", EthSrc.Bytes(mac1, []byte{0xff, 0xff, 0, 0, 0, 0}))
	match("eth_dst", EthDst.MAC(mac2))
	match("eth_dst multicast", EthDst.Bytes([]byte{1, 0, 0, 0, 0, 0}, []byte{1, 0, 0, 0, 0, 0}))
	match("eth_type", EthType.Is(0x88b5))
	match("vlan", VLANVID.Is(VLANPresent|5))
	match("no vlan", VLANVID.Is(0))
	match("any vlan", VLANVID.Masked(VLANPresent, VLANPresent))
	match("vlan full mask", VLANVID.Masked(VLANPresent|6, 0x1fff))
	match("vlan and pcp", VLANVID.Is(VLANPresent|5), VLANPCP.Is(3))
	match("vlan pcp only", VLANVID.Masked(VLANPresent, VLANPresent), VLANPCP.Is(2))
	match("ip", isIPv4())
	match("ip_src", isIPv4(), IPv4Src.Addr(ip("10.1.2.3")))
	match("ip_src prefix", isIPv4(), IPv4Src.Prefix(prefix("10.1.2.0/23")))
	match("ip_src default", isIPv4(), IPv4Src.Prefix(prefix("0.0.0.0/0")), IPTTL.Is(3))
	match("ip_dst", isIPv4(), IPv4Dst.Addr(ip("10.1.2.4")))
	match("ip_dst holes", isIPv4(), IPv4Dst.Masked(0x0a000005, 0xff0000ff))
	match("ipv6_src", isIPv6(), IPv6Src.Addr(ip("fd00::1")))
	match("ipv6_src prefix", isIPv6(), IPv6Src.Prefix(prefix("fd00:1::/61")))
	match("ipv6_dst", isIPv6(), IPv6Dst.Addr(ip("fd00::2")))
	match("ipv6_dst host", isIPv6(), IPv6Dst.Prefix(prefix("fd00::3/128")))
	match("ipv6_label", isIPv6(), IPv6Label.Is(0x12345))
	match("ipv6_label masked", isIPv6(), IPv6Label.Masked(0x12300, 0xfff00))
	match("no frag", isIPv4(), IPFrag.Masked(0, FragAny))
	match("not later frag", isIPv4(), IPFrag.Masked(0, FragLater))
	match("later frag", isIPv6(), IPFrag.Is(FragAny|FragLater))
	match("first frag", isIPv4(), IPFrag.Masked(FragAny, FragAny|FragLater))
	match("dscp", isIPv4(), IPDSCP.Is(46))
	match("ecn", isIPv6(), IPECN.Is(3))
	match("ttl", isIPv4(), IPTTL.Is(1))
	match("hop limit", isIPv6(), IPTTL.Is(64))
	match("proto", ipv4Proto(47)...)
	match("proto6", ipv6Proto(89)...)
	match("tcp", tcp...)
	match("tcp6", ipv6Proto(6)...)
	match("tcp_src", with(tcp, TCPSrc.Is(1))...)
	match("tcp_dst", with(tcp, TCPDst.Is(80))...)
	match("tcp_dst range", with(ipv6Proto(6), TCPDst.Masked(0x8000, 0xf000))...)
	match("tcp_flags syn", with(tcp, TCPFlags.Masked(0x02, 0x12))...)
	match("tcp_flags rst", with(tcp, TCPFlags.Is(0x04))...)
	match("tcp_flags all bits", with(tcp, TCPFlags.Masked(0x05, 0xfff))...)
	match("udp_src", with(udp, UDPSrc.Is(53))...)
	match("udp_dst", with(udp, UDPDst.Masked(0x1000, 0xfff0))...)
	match("udp6_dst", with(ipv6Proto(17), UDPDst.Is(53))...)
	match("sctp_src", with(sctp, SCTPSrc.Is(36412))...)
	match("sctp_dst", with(sctp, SCTPDst.Masked(8, 0xfff8))...)
	match("sctp6_dst", with(ipv6Proto(132), SCTPDst.Is(9))...)
	match("icmp", with(ipv4Proto(1), ICMPv4Type.Is(8), ICMPv4Code.Is(0))...)
	match("icmp type", with(ipv4Proto(1), ICMPv4Type.Is(3))...)
	match("icmp6", with(ipv6Proto(58), ICMPv6Type.Is(1), ICMPv6Code.Is(4))...)
	match("nd_target", with(nd(135), NDTarget.Addr(ip("fd00::7")))...)
	match("nd_target prefix", with(nd(135), NDTarget.Prefix(prefix("fd00::/64")))...)
	match("nd_sll", with(nd(135), NDSLL.MAC(mac1))...)
	match("nd_tll", with(nd(136), NDTarget.Addr(ip("fd00::7")), NDTLL.MAC(mac2))...)
	match("arp", isARP())
	match("arp_op", isARP(), ARPOp.Is(1))
	match("arp_spa", isARP(), ARPSPA.Addr(ip("10.0.0.1")))
	match("arp_tpa", isARP(), ARPTPA.Prefix(prefix("10.0.0.0/8")))
	match("arp all", isARP(), ARPOp.Is(2), ARPSPA.Addr(ip("10.0.0.1")), ARPTPA.Addr(ip("10.0.0.2")), ARPSHA.MAC(mac1), ARPTHA.MAC(mac2))
	match("tun_id", TunID.Is(0x1122334455667788))
	match("tun_id masked", TunID.Masked(0x1100, 0xff00))
	for n := range 16 {
		match("reg", Reg(n).Is(uint64(n)))
		match("reg masked", Reg(n).Masked(0xab00, 0xff00))
	}
	match("two halves", Reg(4).Is(1), Reg(5).Is(2))
	match("two regs of two pairs", Reg(3).Is(1), Reg(6).Is(2))
	match("bits of a reg", Reg(2).Masked(1, 1), Reg(2).Masked(6, 6))
	for n := range 8 {
		match("xreg", XReg(n).Is(0x100000002+uint64(n)))
	}
	match("xreg masked", XReg(1).Masked(0x0000ff0000000001, 0x0000ff0000000003))
	for n := range 4 {
		match("xxreg", XXReg(n).Bytes([]byte{15: byte(n + 1), 0: 9}, nil))
	}
	match("xxreg masked", XXReg(3).Bytes([]byte{5: 0xaa, 15: 0}, []byte{5: 0xff, 15: 0}))
	match("pkt_mark", PktMark.Is(7))
	match("pkt_mark masked", PktMark.Masked(0x100, 0x300))
	match("ct_state new", with(ips, CTState.Masked(CTNew|CTTracked, CTNew|CTTracked))...)
	match("ct_state not inv", with(ips, CTState.Masked(CTTracked, CTTracked|CTInvalid))...)
	match("ct_state exact", with(ips, CTState.Is(CTEstablished|CTTracked))...)
	match("ct_state all bits", with(ips, CTState.Masked(CTEstablished|CTTracked|CTReply, 0xff))...)
	match("ct_zone", CTZone.Is(65520))
	match("ct_mark", CTMark.Is(1))
	match("ct_mark masked", CTMark.Masked(0x80, 0x80))
	match("ct_label", CTLabel.Bytes([]byte{0: 1, 15: 2}, nil))
	match("ct_label masked", CTLabel.Bytes([]byte{8: 1, 15: 0}, []byte{8: 0xff, 9: 0xff, 15: 0}))
	tracked := CTState.Masked(CTTracked|CTEstablished, CTTracked|CTEstablished|CTInvalid)
	match("ct_nw_src", isIPv4(), tracked, CTNwSrc.Prefix(prefix("10.0.0.0/8")))
	match("ct_nw_dst", isIPv4(), tracked, CTNwDst.Addr(ip("10.96.0.1")))
	match("ct_ipv6_src", isIPv6(), tracked, CTIPv6Src.Prefix(prefix("fd00::/8")))
	match("ct_ipv6_dst", isIPv6(), tracked, CTIPv6Dst.Addr(ip("fd00::9")))
	match("ct_nw_proto", isIPv4(), tracked, CTNwProto.Is(6))
	match("ct_tp", isIPv4(), tracked, CTNwProto.Is(6), CTTpSrc.Masked(0x400, 0xfc00), CTTpDst.Is(80))
	match("metadata", Metadata.Is(0xdeadbeef00000001))
	match("metadata masked", Metadata.Masked(0xff, 0xff))
	match("pipeline of a rule", with(tcp, Reg(0).Masked(3, 0xf), Reg(1).Is(17), Metadata.Is(9), IPv4Src.Prefix(prefix("10.0.0.0/9")), TCPDst.Is(443),
		CTState.Masked(CTTracked|CTNew, CTTracked|CTNew|CTReply), CTMark.Masked(0, 1), PktMark.Is(3), InPort.Is(2), EthDst.MAC(mac1))...)

	do := func(name string, m Match, actions ...Action) {
		list = append(list, sample{name, Flow{Table: 2, Priority: uint16(1000 + len(list)), Match: m, Actions: Do(actions...)}})
	}
	any4, any6, anyTCP := MatchOf(isIPv4()), MatchOf(isIPv6()), MatchOf(tcp...)
	do("drop", Match{})
	do("output", Match{}, Output(2), Output(3))
	do("output local", Match{}, Output(PortLocal), Output(PortNormal), Output(PortAll), Output(PortFlood))
	do("output in_port", Match{}, InPortAction())
	do("output controller", Match{}, OutputAction{Port: PortController, MaxLen: 128})
	do("output field", Match{}, OutputField(Reg(2)), OutputFieldAction{Port: Reg(3).Range(0, 16), MaxLen: 0xffff})
	do("output xreg", Match{}, OutputFieldAction{Port: XReg(3).Range(32, 16), MaxLen: 0xffff})
	do("group", Match{}, Group(7))
	do("meter", Match{}, Meter(5), Output(2))
	do("resubmit", Match{}, Resubmit(9))
	do("resubmit in port", Match{}, ResubmitAction{Table: 8, InPort: 3})
	do("resubmit ct", MatchOf(isIPv4(), CTState.Masked(CTTracked|CTEstablished, CTTracked|CTEstablished|CTInvalid)), ResubmitCT(9))
	do("exit", Match{}, Exit())
	do("clone", any4, Clone{[]Action{SetField(IPv4Dst.Addr(ip("10.9.9.9"))), Output(3)}}, Output(2))
	do("controller", Match{}, Controller{})
	do("controller short", Match{}, Controller{MaxLen: 64, Reason: ReasonNoMatch})
	do("controller id", Match{}, Controller{ControllerID: 5, Reason: ReasonInvalidTTL})
	do("controller userdata", Match{}, Controller{UserData: []byte{1, 2, 3}})
	do("controller everything", Match{}, Controller{MaxLen: 100, Reason: ReasonNoMatch, ControllerID: 3, UserData: []byte("0123456789"), MeterID: 5})
	do("controller meter", Match{}, Controller{MeterID: 5})
	do("dec_ttl", any4, DecTTL(), Output(1))
	do("vlan", Match{}, PushVLAN(0x8100), SetField(VLANVID.Is(VLANPresent|9)), SetField(VLANPCP.Is(1)), Output(1))
	do("pop vlan", MatchOf(VLANVID.Is(VLANPresent|5)), PopVLAN(), Output(1))
	do("set mac", Match{}, SetField(EthSrc.MAC(mac1)), SetField(EthDst.MAC(mac2)), SetField(EthDst.Bytes(mac2, []byte{0, 0, 0, 0xff, 0xff, 0xff})))
	do("set ipv4", any4, SetField(IPv4Src.Addr(ip("1.2.3.4"))), SetField(IPv4Dst.Prefix(prefix("10.0.0.0/8"))), SetField(IPDSCP.Is(10)), SetField(IPECN.Is(1)), SetField(IPTTL.Is(9)))
	do("set ipv6", any6, SetField(IPv6Src.Addr(ip("fd00::1"))), SetField(IPv6Dst.Addr(ip("fd00::2"))), SetField(IPv6Label.Is(7)))
	do("set ports", anyTCP, SetField(TCPSrc.Is(1)), SetField(TCPDst.Is(2)), Load(TCPDst, 0, 4, 5))
	do("set udp", MatchOf(udp...), SetField(UDPSrc.Is(1)), SetField(UDPDst.Masked(2, 0xff)))
	do("set sctp", MatchOf(sctp...), SetField(SCTPSrc.Is(1)), SetField(SCTPDst.Is(2)))
	do("set icmp", MatchOf(ipv4Proto(1)...), SetField(ICMPv4Type.Is(0)), SetField(ICMPv4Code.Is(1)))
	do("set icmp6", MatchOf(ipv6Proto(58)...), SetField(ICMPv6Type.Is(129)), SetField(ICMPv6Code.Is(0)))
	do("set nd", MatchOf(nd(136)...), SetField(NDTarget.Addr(ip("fd00::5"))), SetField(NDTLL.MAC(mac1)))
	do("set nd solicit", MatchOf(nd(135)...), SetField(NDSLL.MAC(mac1)))
	do("arp responder", MatchOf(isARP(), ARPOp.Is(1), ARPTPA.Addr(ip("169.254.1.1"))),
		Move(EthSrc, 0, EthDst, 0, 48), SetField(EthSrc.MAC(mac1)), SetField(ARPOp.Is(2)),
		Move(ARPSHA, 0, ARPTHA, 0, 48), SetField(ARPSHA.MAC(mac1)),
		Move(ARPSPA, 0, Reg(1), 0, 32), Move(ARPTPA, 0, ARPSPA, 0, 32), Move(Reg(1), 0, ARPTPA, 0, 32), InPortAction())
	do("set registers", Match{}, SetField(Reg(0).Is(5)), SetField(Reg(15).Masked(0x500, 0xff00)), SetField(XReg(2).Is(1<<40)), SetField(XXReg(1).Bytes([]byte{3: 1, 15: 1}, nil)))
	do("load", Match{}, Load(Reg(1), 8, 4, 3), Load(Reg(1), 0, 32, 3), Load(XReg(3), 16, 16, 0xffff), Load(XXReg(2), 64, 64, ^uint64(0)), Load(Reg(3), 31, 1, 0))
	do("set metadata", Match{}, SetField(Metadata.Is(77)), Load(Metadata, 8, 8, 1), SetField(TunID.Is(6)), SetField(PktMark.Masked(2, 2)))
	do("hairpin", Match{}, SetField(InPort16.Is(0)), Output(4))
	do("move", any4, Move(IPv4Src, 0, Reg(3), 0, 32), Move(Reg(3), 16, XReg(4), 40, 8), Move(InPort16, 0, Reg(4), 0, 16), Move(InPort, 0, Reg(5), 0, 32), Move(CTMark, 0, Reg(6), 0, 32))
	do("move state", any6, Move(CTState, 0, Reg(1), 0, 32), Move(IPv6Dst, 0, XXReg(0), 0, 128), Move(EthSrc, 0, XReg(2), 0, 48), Move(IPTTL, 0, Reg(7), 0, 8))
	do("stack", Match{}, Push(Reg(1), 0, 32), Push(EthSrc, 0, 48), Pop(EthDst, 0, 48), Pop(Reg(2), 0, 16), Push(InPort16, 0, 16), Pop(XReg(5), 16, 16))
	do("note", Match{}, Note([]byte("sluice")), Note([]byte{1, 2}), Note([]byte("a longer note than that")))
	do("conjunction", any4, Conjunction(1, 1, 2))
	do("conjunctions", MatchOf(isIPv4(), Reg(1).Is(17)), Conjunction(1, 1, 3), Conjunction(99, 2, 2), Conjunction(1<<31, 64, 64), Note([]byte{9}))
	do("ct", any4, CT{Table: 5, Zone: 3})
	do("ct nothing", any4, CT{Table: 0xff})
	do("ct zone from register", any6, CT{Table: 5, ZoneField: Reg(4).Range(0, 16)})
	do("ct zone from xreg", any6, CT{Table: 5, ZoneField: XReg(2).Range(16, 16)})
	do("ct commit", any4, CT{Commit: true, Zone: 65520})
	do("ct commit force", any4, CT{Commit: true, Force: true, Zone: 1, Exec: []Action{SetField(CTMark.Masked(1, 1)), SetField(CTLabel.Bytes([]byte{15: 9}, nil)), Load(CTLabel, 32, 32, 7), Move(Reg(1), 0, CTLabel, 64, 32)}})
	do("ct ftp", anyTCP, CT{Commit: true, Table: 6, ALG: 21})
	do("ct nat", any4, CT{Table: 6, Zone: 9, NAT: &NAT{}})
	do("ct snat", any4, CT{Commit: true, NAT: &NAT{Source: true}})
	do("ct snat address", any4, CT{Commit: true, NAT: &NAT{Source: true, Min: ip("10.0.0.1")}})
	do("ct snat range", any4, CT{Commit: true, NAT: &NAT{Source: true, Min: ip("10.0.0.1"), Max: ip("10.0.0.9"), MinPort: 1000, MaxPort: 2000, Persistent: true, Hash: true}})
	do("ct snat same range", any4, CT{Commit: true, NAT: &NAT{Source: true, Min: ip("10.0.0.1"), Max: ip("10.0.0.1"), MinPort: 1000, MaxPort: 1000}})
	do("ct dnat", any4, CT{Commit: true, Table: 7, NAT: &NAT{Destination: true, Min: ip("10.0.0.1"), MinPort: 8080}, Exec: []Action{SetField(CTMark.Is(5))}})
	do("ct dnat6", any6, CT{Commit: true, NAT: &NAT{Destination: true, Min: ip("fd00::1"), MinPort: 8080, MaxPort: 8090, Random: true}})
	do("ct dnat6 range", any6, CT{Commit: true, NAT: &NAT{Destination: true, Min: ip("fd00::1"), Max: ip("fd00::ff")}})
	do("ct snat6 range ports", any6, CT{Commit: true, NAT: &NAT{Source: true, Min: ip("fd00::1"), Max: ip("fd00::ff"), MinPort: 1}})
	do("ct clear", any4, CTClear(), Resubmit(3))
	do("learn", anyTCP, Learn{
		Table: 10, IdleTimeout: 10, HardTimeout: 20, FinIdleTimeout: 1, FinHardTimeout: 2, Priority: 77, Cookie: 0x1234, DeleteLearned: true, SendFlowRemoved: true,
		Specs: []LearnSpec{
			LearnMatch(EthType.Is(0x0800)), LearnMatch(IPProto.Is(6)),
			LearnMatchField(IPv4Src.All(), IPv4Dst.All()), LearnMatchField(TCPDst.All(), TCPDst.All()), LearnMatchField(Reg(1).Range(0, 16), InPort16.All()),
			LearnLoad(Reg(2).Is(9)), LearnLoad(IPTTL.Is(3)), LearnCopy(Reg(3).Range(8, 16), TCPSrc.All()), LearnOutput(InPort16.All()),
		},
	})
	do("learn macs", Match{}, Learn{Table: 11, Priority: 0x8000, Specs: []LearnSpec{LearnMatchField(EthDst.All(), EthSrc.All()), LearnOutput(Reg(1).All())}}, Resubmit(11))
	do("check_pkt_larger", Match{}, CheckPktLarger(1514, Reg(0), 6), CheckPktLarger(65535, XReg(3), 40), CheckPktLarger(0, Reg(15), 31), Output(4))

	list = append(list,
		sample{"defaults", Flow{Priority: 0x8000, Actions: Do(Output(1))}},
		sample{"table 0", Flow{Priority: 1, Actions: Do(Output(1)), Goto: 3}},
		sample{"goto only", Flow{Table: 3, Priority: 2, Goto: 254}},
		sample{"last table", Flow{Table: 253, Priority: 65535, Cookie: ^uint64(0)}},
		sample{"timeouts", Flow{Table: 3, Priority: 3, IdleTimeout: 600, HardTimeout: 3600, Actions: Do(Output(1))}},
		sample{"flags", Flow{Table: 3, Priority: 4, Flags: SendFlowRemoved | NoPacketCounts | NoByteCounts, Importance: 7, Cookie: 0x5100000000000001}},
		sample{"everything", Flow{
			Table: 4, Priority: 100, Cookie: 0x5100000000000002, Goto: 20,
			Match:   MatchOf(with(tcp, Reg(0).Is(1), IPv4Src.Prefix(prefix("10.0.0.0/8")), TCPDst.Is(443), InPort.Is(3))...),
			Actions: Do(Meter(5), SetField(EthDst.MAC(mac1)), DecTTL(), Load(Reg(1), 0, 16, 9), CT{Commit: true, Zone: 65520, Table: 30, NAT: &NAT{Source: true, Min: ip("10.0.0.1")}, Exec: []Action{SetField(CTMark.Is(1))}}, Group(7)),
		}},
	)
	return list
}
