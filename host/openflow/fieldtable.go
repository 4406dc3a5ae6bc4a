package openflow

// OXM classes that Open vSwitch uses for the fields of this package.
const (
	classNXM0     = 0x0000 // NXM_OF_*
	classNXM1     = 0x0001 // NXM_NX_*
	classOXM      = 0x8000 // OXM_OF_*
	classRegister = 0x8001 // OXM_OF_PKT_REG*
)

// oxmType is what distinguishes a field on the wire: the class in the upper 16 bits, then the field in 7 bits, then a zero for "has mask".
type oxmType uint32

func oxm(class, field uint16) oxmType { return oxmType(class)<<16 | oxmType(field)<<9 }

// header is the type with mask bit and length, as it is sent.
func (t oxmType) header(masked bool, payload int) uint32 {
	h := uint32(t) | uint32(payload)
	if masked {
		h |= 1 << 8
	}
	return h
}

// fieldInfo is what the codec knows about a field.
type fieldInfo struct {
	name   string  // in matches and set_field
	nxm    string  // in move, load, output and the like
	oxm    oxmType // in matches and set_field actions of OpenFlow 1.5
	legacy oxmType // in Nicira's actions, which prefer NXM over OXM; 0 if the same
	size   uint8   // bytes on the wire
	bits   uint16  // significant bits
	style  style   // how ovs-ofctl prints it
}

// legacyType is the type that Nicira's own actions use.
func (i *fieldInfo) legacyType() oxmType {
	if i.legacy != 0 {
		return i.legacy
	}
	return i.oxm
}

// style is how ovs-ofctl prints the value of a field in a match.
type style uint8

const (
	styleDecimal style = iota
	styleHex
	styleEthType
	styleMAC
	styleIPv4
	styleIPv6
	stylePort
	styleFrag
	styleTCPFlags
	styleCTState
	styleVLAN
)

// fieldTable is constant. The numbers are those of Open vSwitch's meta-flow.h.
var fieldTable = [fieldCount]fieldInfo{
	unknownField: {name: "unknown", nxm: "unknown"},

	ConjID:    {"conj_id", "NXM_NX_CONJ_ID", oxm(classNXM1, 37), 0, 4, 32, styleDecimal},
	InPort:    {"in_port_oxm", "OXM_OF_IN_PORT", oxm(classOXM, 0), 0, 4, 32, stylePort},
	InPort16:  {"in_port", "NXM_OF_IN_PORT", oxm(classNXM0, 0), 0, 2, 16, stylePort},
	EthSrc:    {"eth_src", "NXM_OF_ETH_SRC", oxm(classOXM, 4), oxm(classNXM0, 2), 6, 48, styleMAC},
	EthDst:    {"eth_dst", "NXM_OF_ETH_DST", oxm(classOXM, 3), oxm(classNXM0, 1), 6, 48, styleMAC},
	EthType:   {"eth_type", "NXM_OF_ETH_TYPE", oxm(classOXM, 5), oxm(classNXM0, 3), 2, 16, styleEthType},
	VLANVID:   {"vlan_vid", "OXM_OF_VLAN_VID", oxm(classOXM, 6), 0, 2, 13, styleVLAN},
	VLANPCP:   {"vlan_pcp", "OXM_OF_VLAN_PCP", oxm(classOXM, 7), 0, 1, 3, styleDecimal},
	IPv4Src:   {"ip_src", "NXM_OF_IP_SRC", oxm(classOXM, 11), oxm(classNXM0, 7), 4, 32, styleIPv4},
	IPv4Dst:   {"ip_dst", "NXM_OF_IP_DST", oxm(classOXM, 12), oxm(classNXM0, 8), 4, 32, styleIPv4},
	IPv6Src:   {"ipv6_src", "NXM_NX_IPV6_SRC", oxm(classOXM, 26), oxm(classNXM1, 19), 16, 128, styleIPv6},
	IPv6Dst:   {"ipv6_dst", "NXM_NX_IPV6_DST", oxm(classOXM, 27), oxm(classNXM1, 20), 16, 128, styleIPv6},
	IPFrag:    {"ip_frag", "NXM_NX_IP_FRAG", oxm(classNXM1, 26), 0, 1, 2, styleFrag},
	IPDSCP:    {"ip_dscp", "OXM_OF_IP_DSCP", oxm(classOXM, 8), 0, 1, 6, styleDecimal},
	IPECN:     {"nw_ecn", "NXM_NX_IP_ECN", oxm(classOXM, 9), oxm(classNXM1, 28), 1, 2, styleDecimal},
	IPTTL:     {"nw_ttl", "NXM_NX_IP_TTL", oxm(classNXM1, 29), 0, 1, 8, styleDecimal},
	IPv6Label: {"ipv6_label", "NXM_NX_IPV6_LABEL", oxm(classOXM, 28), oxm(classNXM1, 27), 4, 20, styleHex},
	IPProto:   {"nw_proto", "NXM_OF_IP_PROTO", oxm(classOXM, 10), oxm(classNXM0, 6), 1, 8, styleDecimal},

	TCPSrc:     {"tcp_src", "NXM_OF_TCP_SRC", oxm(classOXM, 13), oxm(classNXM0, 9), 2, 16, styleDecimal},
	TCPDst:     {"tcp_dst", "NXM_OF_TCP_DST", oxm(classOXM, 14), oxm(classNXM0, 10), 2, 16, styleDecimal},
	TCPFlags:   {"tcp_flags", "NXM_NX_TCP_FLAGS", oxm(classOXM, 42), oxm(classNXM1, 34), 2, 12, styleTCPFlags},
	UDPSrc:     {"udp_src", "NXM_OF_UDP_SRC", oxm(classOXM, 15), oxm(classNXM0, 11), 2, 16, styleDecimal},
	UDPDst:     {"udp_dst", "NXM_OF_UDP_DST", oxm(classOXM, 16), oxm(classNXM0, 12), 2, 16, styleDecimal},
	SCTPSrc:    {"sctp_src", "OXM_OF_SCTP_SRC", oxm(classOXM, 17), 0, 2, 16, styleDecimal},
	SCTPDst:    {"sctp_dst", "OXM_OF_SCTP_DST", oxm(classOXM, 18), 0, 2, 16, styleDecimal},
	ICMPv4Type: {"icmp_type", "NXM_OF_ICMP_TYPE", oxm(classOXM, 19), oxm(classNXM0, 13), 1, 8, styleDecimal},
	ICMPv4Code: {"icmp_code", "NXM_OF_ICMP_CODE", oxm(classOXM, 20), oxm(classNXM0, 14), 1, 8, styleDecimal},
	ICMPv6Type: {"icmpv6_type", "NXM_NX_ICMPV6_TYPE", oxm(classOXM, 29), oxm(classNXM1, 21), 1, 8, styleDecimal},
	ICMPv6Code: {"icmpv6_code", "NXM_NX_ICMPV6_CODE", oxm(classOXM, 30), oxm(classNXM1, 22), 1, 8, styleDecimal},
	NDTarget:   {"nd_target", "NXM_NX_ND_TARGET", oxm(classOXM, 31), oxm(classNXM1, 23), 16, 128, styleIPv6},
	NDSLL:      {"nd_sll", "NXM_NX_ND_SLL", oxm(classOXM, 32), oxm(classNXM1, 24), 6, 48, styleMAC},
	NDTLL:      {"nd_tll", "NXM_NX_ND_TLL", oxm(classOXM, 33), oxm(classNXM1, 25), 6, 48, styleMAC},

	ARPOp:  {"arp_op", "NXM_OF_ARP_OP", oxm(classOXM, 21), oxm(classNXM0, 15), 2, 16, styleDecimal},
	ARPSPA: {"arp_spa", "NXM_OF_ARP_SPA", oxm(classOXM, 22), oxm(classNXM0, 16), 4, 32, styleIPv4},
	ARPTPA: {"arp_tpa", "NXM_OF_ARP_TPA", oxm(classOXM, 23), oxm(classNXM0, 17), 4, 32, styleIPv4},
	ARPSHA: {"arp_sha", "NXM_NX_ARP_SHA", oxm(classOXM, 24), oxm(classNXM1, 17), 6, 48, styleMAC},
	ARPTHA: {"arp_tha", "NXM_NX_ARP_THA", oxm(classOXM, 25), oxm(classNXM1, 18), 6, 48, styleMAC},

	TunID: {"tun_id", "NXM_NX_TUN_ID", oxm(classOXM, 38), oxm(classNXM1, 16), 8, 64, styleHex},

	reg0:   {"reg0", "NXM_NX_REG0", oxm(classNXM1, 0), 0, 4, 32, styleHex},
	reg1:   {"reg1", "NXM_NX_REG1", oxm(classNXM1, 1), 0, 4, 32, styleHex},
	reg2:   {"reg2", "NXM_NX_REG2", oxm(classNXM1, 2), 0, 4, 32, styleHex},
	reg3:   {"reg3", "NXM_NX_REG3", oxm(classNXM1, 3), 0, 4, 32, styleHex},
	reg4:   {"reg4", "NXM_NX_REG4", oxm(classNXM1, 4), 0, 4, 32, styleHex},
	reg5:   {"reg5", "NXM_NX_REG5", oxm(classNXM1, 5), 0, 4, 32, styleHex},
	reg6:   {"reg6", "NXM_NX_REG6", oxm(classNXM1, 6), 0, 4, 32, styleHex},
	reg7:   {"reg7", "NXM_NX_REG7", oxm(classNXM1, 7), 0, 4, 32, styleHex},
	reg8:   {"reg8", "NXM_NX_REG8", oxm(classNXM1, 8), 0, 4, 32, styleHex},
	reg9:   {"reg9", "NXM_NX_REG9", oxm(classNXM1, 9), 0, 4, 32, styleHex},
	reg10:  {"reg10", "NXM_NX_REG10", oxm(classNXM1, 10), 0, 4, 32, styleHex},
	reg11:  {"reg11", "NXM_NX_REG11", oxm(classNXM1, 11), 0, 4, 32, styleHex},
	reg12:  {"reg12", "NXM_NX_REG12", oxm(classNXM1, 12), 0, 4, 32, styleHex},
	reg13:  {"reg13", "NXM_NX_REG13", oxm(classNXM1, 13), 0, 4, 32, styleHex},
	reg14:  {"reg14", "NXM_NX_REG14", oxm(classNXM1, 14), 0, 4, 32, styleHex},
	reg15:  {"reg15", "NXM_NX_REG15", oxm(classNXM1, 15), 0, 4, 32, styleHex},
	xreg0:  {"xreg0", "OXM_OF_PKT_REG0", oxm(classRegister, 0), 0, 8, 64, styleHex},
	xreg1:  {"xreg1", "OXM_OF_PKT_REG1", oxm(classRegister, 1), 0, 8, 64, styleHex},
	xreg2:  {"xreg2", "OXM_OF_PKT_REG2", oxm(classRegister, 2), 0, 8, 64, styleHex},
	xreg3:  {"xreg3", "OXM_OF_PKT_REG3", oxm(classRegister, 3), 0, 8, 64, styleHex},
	xreg4:  {"xreg4", "OXM_OF_PKT_REG4", oxm(classRegister, 4), 0, 8, 64, styleHex},
	xreg5:  {"xreg5", "OXM_OF_PKT_REG5", oxm(classRegister, 5), 0, 8, 64, styleHex},
	xreg6:  {"xreg6", "OXM_OF_PKT_REG6", oxm(classRegister, 6), 0, 8, 64, styleHex},
	xreg7:  {"xreg7", "OXM_OF_PKT_REG7", oxm(classRegister, 7), 0, 8, 64, styleHex},
	xxreg0: {"xxreg0", "NXM_NX_XXREG0", oxm(classNXM1, 111), 0, 16, 128, styleHex},
	xxreg1: {"xxreg1", "NXM_NX_XXREG1", oxm(classNXM1, 112), 0, 16, 128, styleHex},
	xxreg2: {"xxreg2", "NXM_NX_XXREG2", oxm(classNXM1, 113), 0, 16, 128, styleHex},
	xxreg3: {"xxreg3", "NXM_NX_XXREG3", oxm(classNXM1, 114), 0, 16, 128, styleHex},

	PktMark:   {"pkt_mark", "NXM_NX_PKT_MARK", oxm(classNXM1, 33), 0, 4, 32, styleHex},
	CTState:   {"ct_state", "NXM_NX_CT_STATE", oxm(classNXM1, 105), 0, 4, 8, styleCTState},
	CTZone:    {"ct_zone", "NXM_NX_CT_ZONE", oxm(classNXM1, 106), 0, 2, 16, styleDecimal},
	CTMark:    {"ct_mark", "NXM_NX_CT_MARK", oxm(classNXM1, 107), 0, 4, 32, styleHex},
	CTLabel:   {"ct_label", "NXM_NX_CT_LABEL", oxm(classNXM1, 108), 0, 16, 128, styleHex},
	CTNwSrc:   {"ct_nw_src", "NXM_NX_CT_NW_SRC", oxm(classNXM1, 120), 0, 4, 32, styleIPv4},
	CTIPv6Src: {"ct_ipv6_src", "NXM_NX_CT_IPV6_SRC", oxm(classNXM1, 122), 0, 16, 128, styleIPv6},
	CTNwDst:   {"ct_nw_dst", "NXM_NX_CT_NW_DST", oxm(classNXM1, 121), 0, 4, 32, styleIPv4},
	CTIPv6Dst: {"ct_ipv6_dst", "NXM_NX_CT_IPV6_DST", oxm(classNXM1, 123), 0, 16, 128, styleIPv6},
	CTNwProto: {"ct_nw_proto", "NXM_NX_CT_NW_PROTO", oxm(classNXM1, 119), 0, 1, 8, styleDecimal},
	CTTpSrc:   {"ct_tp_src", "NXM_NX_CT_TP_SRC", oxm(classNXM1, 124), 0, 2, 16, styleDecimal},
	CTTpDst:   {"ct_tp_dst", "NXM_NX_CT_TP_DST", oxm(classNXM1, 125), 0, 2, 16, styleDecimal},
	Metadata:  {"metadata", "OXM_OF_METADATA", oxm(classOXM, 2), 0, 8, 64, styleHex},
}

// fieldOf finds a field by the header on the wire, NXM or OXM; unknownField if it is none of ours. It is fieldTable turned round.
func fieldOf(header uint32) Field {
	index := header >> 9 & 0x7f
	switch header >> 16 {
	case classNXM0:
		return fieldByType[0][index]
	case classNXM1:
		return fieldByType[1][index]
	case classOXM:
		return fieldByType[2][index]
	case classRegister:
		return fieldByType[3][index]
	}
	return unknownField
}

// fieldByType is constant, derived from fieldTable.
var fieldByType = func() (index [4][128]Field) {
	class := map[oxmType]int{classNXM0: 0, classNXM1: 1, classOXM: 2, classRegister: 3}
	for f := unknownField + 1; f < fieldCount; f++ {
		for _, t := range []oxmType{fieldTable[f].oxm, fieldTable[f].legacyType()} {
			index[class[t>>16]][t>>9&0x7f] = f
		}
	}
	return index
}()
