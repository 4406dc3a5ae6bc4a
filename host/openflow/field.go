package openflow

import "fmt"

// Field names one field that Open vSwitch can match on or set; see ovs-fields(7) for what each means and what it needs.
// Its methods Is, Masked, MAC, Addr, Prefix and Bytes make a Clause from it.
//
// The order of the constants is the order of the fields on the wire: prerequisites come before what depends on them.
type Field uint8

// The fields, each with the widest value that Is takes.
const (
	unknownField Field = iota

	ConjID    // conjunctive match that the packet satisfies, 32 bits; never maskable
	InPort    // OpenFlow port, 32 bits
	InPort16  // the same port as a writable 16-bit field: set it to 0 to let a packet leave where it came in
	EthSrc    // MAC address
	EthDst    // MAC address
	EthType   // 16 bits; a prerequisite of everything above Ethernet
	VLANVID   // 12 bits of VLAN id plus 0x1000 (VLANPresent) if there is a tag
	VLANPCP   // 3 bits; needs VLANVID with VLANPresent
	IPv4Src   // needs EthType 0x0800
	IPv4Dst   // needs EthType 0x0800
	IPv6Src   // needs EthType 0x86dd
	IPv6Dst   // needs EthType 0x86dd
	IPFrag    // bits FragAny and FragLater
	IPDSCP    // 6 bits, not shifted
	IPECN     // 2 bits
	IPTTL     // 8 bits; hop limit of IPv6
	IPv6Label // 20 bits
	IPProto   // 8 bits; a prerequisite of everything above IP

	TCPSrc
	TCPDst
	TCPFlags // 12 bits
	UDPSrc
	UDPDst
	SCTPSrc
	SCTPDst
	ICMPv4Type
	ICMPv4Code
	ICMPv6Type
	ICMPv6Code
	NDTarget // needs ICMPv6Type 135 or 136 and ICMPv6Code 0
	NDSLL    // source link-layer address; needs ICMPv6Type 135 and ICMPv6Code 0
	NDTLL    // target link-layer address; needs ICMPv6Type 136 and ICMPv6Code 0

	ARPOp
	ARPSPA
	ARPTPA
	ARPSHA
	ARPTHA

	TunID // 64 bits

	// Registers. A match on XReg or XXReg is kept as matches on the 32-bit registers it is made of, as Open vSwitch does.
	reg0
	reg1
	reg2
	reg3
	reg4
	reg5
	reg6
	reg7
	reg8
	reg9
	reg10
	reg11
	reg12
	reg13
	reg14
	reg15
	xreg0
	xreg1
	xreg2
	xreg3
	xreg4
	xreg5
	xreg6
	xreg7
	xxreg0
	xxreg1
	xxreg2
	xxreg3

	PktMark   // 32 bits, the kernel's skb mark
	CTState   // bits CTNew ... CTDNAT
	CTZone    // 16 bits
	CTMark    // 32 bits
	CTLabel   // 128 bits
	CTNwSrc   // source of the connection's first packet; this and the following need CTState and, for a family, EthType
	CTIPv6Src // see CTNwSrc
	CTNwDst   // see CTNwSrc
	CTIPv6Dst // see CTNwSrc
	CTNwProto // see CTNwSrc
	CTTpSrc   // needs CTNwProto
	CTTpDst   // needs CTNwProto
	Metadata  // 64 bits

	fieldCount
)

// Bits of CTState, see ovs-fields(7).
const (
	CTNew         = 0x01
	CTEstablished = 0x02
	CTRelated     = 0x04
	CTReply       = 0x08
	CTInvalid     = 0x10
	CTTracked     = 0x20
	CTSNAT        = 0x40
	CTDNAT        = 0x80
)

// Bits of IPFrag: a fragment of any kind, and one with an offset other than zero.
const (
	FragAny   = 1
	FragLater = 2
)

// VLANPresent is the bit of VLANVID that says that the packet has a VLAN tag.
const VLANPresent = 0x1000

// Reg is the 32-bit register n, 0 to 15. It panics if n is out of range.
func Reg(n int) Field { return register(reg0, n, 16) }

// XReg is the 64-bit register n, 0 to 7: Reg(2n) and Reg(2n+1), the former being the upper half.
func XReg(n int) Field { return register(xreg0, n, 8) }

// XXReg is the 128-bit register n, 0 to 3: Reg(4n) to Reg(4n+3), the first being the uppermost.
func XXReg(n int) Field { return register(xxreg0, n, 4) }

func register(first Field, n, count int) Field {
	if n < 0 || n >= count {
		panic(fmt.Sprintf("openflow: register %s has no number %d, only 0 to %d", first.info().name[:len(first.info().name)-1], n, count-1))
	}
	return first + Field(n)
}

// String is the field's name in ovs-fields(7), for example "tcp_dst".
func (f Field) String() string { return f.info().name }

// Bits is the width of the field.
func (f Field) Bits() int { return int(f.info().bits) }

func (f Field) info() *fieldInfo {
	if f >= fieldCount {
		f = unknownField
	}
	return &fieldTable[f]
}
