package openflow

import (
	"encoding/hex"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strconv"
)

// String is the match as ovs-ofctl prints it, without a priority.
func (m Match) String() string { return string(m.appendText(nil, nil)) }

// appendText follows match_format of Open vSwitch: a fixed order, and short names for Ethernet type and IP protocol together.
// The priority, if there is one, counts as the first clause.
func (m Match) appendText(b []byte, priority *uint16) []byte {
	start := len(b)
	if priority != nil && *priority != defaultPriority {
		b = append(fmt.Appendf(b, "priority=%d", *priority), ',')
	}
	var byField [fieldCount]*Clause
	var unknown []Clause
	clauses := m.Clauses()
	for i := range clauses {
		if clauses[i].field == unknownField {
			unknown = append(unknown, clauses[i])
		} else {
			byField[clauses[i].field] = &clauses[i]
		}
	}
	b = appendFields(b, &byField, PktMark, ConjID, CTState, CTZone, CTMark, CTLabel, CTNwSrc, CTIPv6Src, CTNwDst, CTIPv6Dst, CTNwProto, CTTpSrc, CTTpDst)
	b = appendProtocol(b, &byField)
	for f := reg0; f <= reg15; f++ {
		b = appendFields(b, &byField, f)
	}
	b = appendFields(b, &byField, TunID, Metadata, InPort)
	b = appendVLAN(b, &byField)
	b = appendFields(b, &byField, EthSrc, EthDst, EthType, IPv6Src, IPv6Dst, IPv6Label, ARPSPA, ARPTPA, IPv4Src, IPv4Dst, IPProto, ARPOp, ARPSHA, ARPTHA,
		IPDSCP, IPECN, IPTTL, IPFrag, ICMPv4Type, ICMPv4Code, ICMPv6Type, ICMPv6Code, NDTarget, NDSLL, NDTLL,
		TCPSrc, UDPSrc, SCTPSrc, TCPDst, UDPDst, SCTPDst, TCPFlags)
	for i := range unknown {
		b = append(fmt.Appendf(b, "oxm(%x)", unknown[i].raw), ',')
	}
	if len(b) > start {
		b = b[:len(b)-1]
	}
	return b
}

// defaultPriority is what ovs-ofctl assumes and does not print.
const defaultPriority = 0x8000

// appendProtocol writes "tcp", "ip", "arp" and the like, and takes the fields out that this tells.
func appendProtocol(b []byte, byField *[fieldCount]*Clause) []byte {
	if byField[EthType] == nil {
		return b
	}
	ethType, _ := byField[EthType].Uint64()
	suffix, name := "", ""
	switch ethType {
	case 0x0806:
		name = "arp"
	case 0x8035:
		name = "rarp"
	case 0x8847:
		name = "mpls"
	case 0x8848:
		name = "mplsm"
	case 0x86dd:
		suffix, name = "6", "ipv6"
	case 0x0800:
		name = "ip"
	default:
		return b
	}
	byField[EthType] = nil
	if proto := byField[IPProto]; proto != nil && (ethType == 0x0800 || ethType == 0x86dd) {
		short := ""
		switch n, _ := proto.Uint64(); {
		case n == 6:
			short = "tcp"
		case n == 17:
			short = "udp"
		case n == 132:
			short = "sctp"
		case n == 1 && suffix == "", n == 58 && suffix != "":
			short = "icmp"
		}
		if short != "" {
			byField[IPProto] = nil
			name = short + suffix
		}
	}
	return append(append(b, name...), ',')
}

func appendVLAN(b []byte, byField *[fieldCount]*Clause) []byte {
	vid, pcp := byField[VLANVID], byField[VLANPCP]
	if vid == nil {
		return b
	}
	value, mask := vid.Uint64()
	switch {
	case !vid.masked && value&VLANPresent != 0:
		b = fmt.Appendf(b, "dl_vlan=%d,", value&0xfff)
	case mask == VLANPresent && value == VLANPresent && pcp != nil:
	default:
		if pcp != nil {
			n, _ := pcp.Uint64()
			value, mask = value|n<<13, mask|0xe000
			pcp = nil
		}
		b = fmt.Appendf(b, "vlan_tci=0x%04x/0x%04x,", value, mask)
	}
	if pcp != nil {
		n, _ := pcp.Uint64()
		b = fmt.Appendf(b, "dl_vlan_pcp=%d,", n)
	}
	return b
}

// matchNames are the fields that matches call other than actions do.
func matchName(f Field) string {
	switch f {
	case InPort:
		return "in_port"
	case EthSrc:
		return "dl_src"
	case EthDst:
		return "dl_dst"
	case EthType:
		return "dl_type"
	case IPv4Src:
		return "nw_src"
	case IPv4Dst:
		return "nw_dst"
	case IPDSCP:
		return "nw_tos"
	case IPFrag:
		return "nw_frag"
	case TCPSrc, UDPSrc, SCTPSrc:
		return "tp_src"
	case TCPDst, UDPDst, SCTPDst:
		return "tp_dst"
	case ICMPv6Type:
		return "icmp_type"
	case ICMPv6Code:
		return "icmp_code"
	}
	return f.info().name
}

func appendFields(b []byte, byField *[fieldCount]*Clause, fields ...Field) []byte {
	for _, f := range fields {
		if c := byField[f]; c != nil {
			b = append(append(b, matchName(f)...), '=')
			b = append(c.appendMatchValue(b), ',')
		}
	}
	return b
}

// appendMatchValue writes the value as matches show it, which differs from actions for some fields.
func (c *Clause) appendMatchValue(b []byte) []byte {
	value, mask := c.Uint64()
	switch style := c.field.info().style; {
	case c.field == IPDSCP:
		return strconv.AppendUint(b, value<<2, 10)
	case style == styleEthType:
		return fmt.Appendf(b, "0x%04x", value)
	case c.field == IPv6Label && c.masked:
		return fmt.Appendf(b, "0x%05x/0x%05x", value, mask)
	case c.field == IPv6Label:
		return fmt.Appendf(b, "0x%05x", value)
	case style == styleDecimal && c.masked:
		return fmt.Appendf(b, "%#x/%#x", value, mask)
	case style == styleHex && c.size <= 8 && c.masked:
		return appendSharpHex(append(appendSharpHex(b, value), '/'), mask)
	case style == styleHex && c.size <= 8:
		return appendSharpHex(b, value)
	}
	return c.appendValue(b)
}

// appendSharpHex is C's %#x: zero has no prefix.
func appendSharpHex(b []byte, n uint64) []byte {
	if n == 0 {
		return append(b, '0')
	}
	return fmt.Appendf(b, "%#x", n)
}

// appendValue writes value and mask as ovs-ofctl's set_field does.
func (c *Clause) appendValue(b []byte) []byte {
	value, mask := c.Uint64()
	switch c.field.info().style {
	case stylePort:
		if !c.masked {
			return appendPort(b, value)
		}
	case styleMAC:
		b = append(b, net.HardwareAddr(c.value[:6]).String()...)
		if c.masked {
			b = append(append(b, '/'), net.HardwareAddr(c.mask[:6]).String()...)
		}
		return b
	case styleIPv4, styleIPv6:
		return c.appendAddress(b)
	case styleFrag:
		return append(b, fragName(value, mask)...)
	case styleTCPFlags:
		names := [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"}
		return appendFlags(b, names[:], value, mask&0xfff, 0xfff)
	case styleCTState:
		names := [...]string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}
		return appendFlags(b, names[:], value, mask, 0xff)
	case styleHex, styleEthType:
		b = appendHex(b, c.value[:c.size])
		if c.masked {
			b = appendHex(append(b, '/'), c.mask[:c.size])
		}
		return b
	}
	b = strconv.AppendUint(b, value, 10)
	if c.masked {
		b = appendHex(append(b, '/'), c.mask[:c.size])
	}
	return b
}

func (c *Clause) appendAddress(b []byte) []byte {
	addr, _ := netip.AddrFromSlice(c.value[:c.size])
	b = addr.AppendTo(b)
	if !c.masked {
		return b
	}
	b = append(b, '/')
	ones, contiguous := 0, true
	for i := range c.size {
		n := bits.LeadingZeros8(^c.mask[i])
		contiguous = contiguous && c.mask[i] == ^byte(0xff>>n) && (n == 0 || ones == 8*int(i))
		ones += n
	}
	if contiguous {
		return strconv.AppendInt(b, int64(ones), 10)
	}
	mask, _ := netip.AddrFromSlice(c.mask[:c.size])
	return mask.AppendTo(b)
}

// appendHex writes bytes as one hexadecimal number without leading zeros; zero is "0".
func appendHex(b, value []byte) []byte {
	for len(value) > 0 && value[0] == 0 {
		value = value[1:]
	}
	if len(value) == 0 {
		return append(b, '0')
	}
	b = fmt.Appendf(b, "%#x", value[0])
	return hex.AppendEncode(b, value[1:])
}

// appendFlags writes "+syn-ack" under a mask, and "syn|ack" if all bits count.
func appendFlags(b []byte, names []string, value, mask, all uint64) []byte {
	if mask == all {
		if value == 0 {
			return append(b, '0')
		}
		for bit := 0; value>>bit != 0 && bit < len(names); bit++ {
			if value>>bit&1 != 0 {
				b = append(append(b, names[bit]...), '|')
			}
		}
		if rest := value >> len(names) << len(names); rest != 0 {
			b = append(fmt.Appendf(b, "%#x", rest), '|')
		}
		return b[:len(b)-1]
	}
	for bit := 0; mask>>bit != 0; bit++ {
		if mask>>bit&1 == 0 {
			continue
		}
		sign, name := byte('-'), "[Unknown]"
		if value>>bit&1 != 0 {
			sign = '+'
		}
		if bit < len(names) {
			name = names[bit]
		}
		b = append(append(b, sign), name...)
	}
	return b
}

func fragName(value, mask uint64) string {
	switch mask & 3 {
	case FragAny | FragLater:
		return [...]string{"no", "first", "<error>", "later"}[value&3]
	case FragAny:
		return [...]string{"no", "yes"}[value&1]
	case FragLater:
		return [...]string{"not_later", "later"}[value>>1&1]
	}
	return "<error>"
}

// appendPort writes a port number of 16 or 32 bits.
func appendPort(b []byte, port uint64) []byte {
	if port >= 0xffffff00 {
		port &= 0xffff
	}
	names := map[uint64]string{0xfff8: "IN_PORT", 0xfff9: "TABLE", 0xfffa: "NORMAL", 0xfffb: "FLOOD", 0xfffc: "ALL", 0xfffd: "CONTROLLER", 0xfffe: "LOCAL", 0xffff: "ANY"}
	if name := names[port]; name != "" {
		return append(b, name...)
	}
	return strconv.AppendUint(b, port, 10)
}
