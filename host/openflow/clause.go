package openflow

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// Clause is one field with the value, or the part of a value, that it must have in a match or gets by SetField.
type Clause struct {
	field  Field
	masked bool     // false: all bits count, and mask is not looked at
	size   uint8    // bytes used in value and mask
	value  [16]byte // network order, from the front; bits outside the mask are zero
	mask   [16]byte
	raw    string // of unknownField: the whole TLV
}

// Field is the field that the clause is about; its String is "unknown" for one that this package has no name for.
func (c Clause) Field() Field { return c.field }

// Value is the value in network order, with zeros where the mask has zeros. The caller owns it.
func (c Clause) Value() []byte { return append([]byte(nil), c.value[:c.size]...) }

// Mask is the mask in network order, all ones if the whole field counts. The caller owns it.
func (c Clause) Mask() []byte {
	mask := append([]byte(nil), c.mask[:c.size]...)
	if !c.masked {
		for i := range mask {
			mask[i] = 0xff
		}
	}
	return mask
}

// Uint64 returns value and mask of a field of at most 64 bits, and the lower 64 bits of a wider one.
func (c Clause) Uint64() (value, mask uint64) {
	mask = widest(c.field)
	if c.masked {
		mask = number(c.mask[:c.size])
	}
	return number(c.value[:c.size]), mask
}

// Is matches packets whose field has exactly this value. It panics if the value does not fit the field or the field is wider than 64 bits.
func (f Field) Is(value uint64) Clause {
	c := Clause{field: f, size: f.info().size}
	f.check(value, "value")
	putNumber(c.value[:c.size], value)
	return c.normalised()
}

// Masked matches packets whose field has this value in the bits that the mask names; other bits of value are ignored.
// A mask of zero makes a clause that matches everything, and is dropped from matches.
// It panics if value or mask do not fit the field, or the field is wider than 64 bits.
func (f Field) Masked(value, mask uint64) Clause {
	c := Clause{field: f, size: f.info().size, masked: true}
	f.check(value&mask, "value")
	f.check(mask, "mask")
	putNumber(c.value[:c.size], value)
	putNumber(c.mask[:c.size], mask)
	return c.normalised()
}

// MAC matches a MAC address. It panics if the field does not hold MAC addresses or addr is not one of 6 bytes.
func (f Field) MAC(addr net.HardwareAddr) Clause {
	if f.info().style != styleMAC || len(addr) != 6 {
		panic(fmt.Sprintf("openflow: field %s cannot be the MAC address %s", f, addr))
	}
	c := Clause{field: f, size: 6}
	copy(c.value[:], addr)
	return c
}

// Addr matches one IP address. It panics if the address is not of the field's family.
func (f Field) Addr(addr netip.Addr) Clause {
	return f.Prefix(netip.PrefixFrom(addr.WithZone(""), addr.BitLen()))
}

// Prefix matches the addresses of a prefix. It panics if the prefix is invalid or not of the field's family.
func (f Field) Prefix(prefix netip.Prefix) Clause {
	style := f.info().style
	if !prefix.IsValid() || prefix.Addr().Is4() && style != styleIPv4 || prefix.Addr().Is6() && style != styleIPv6 {
		panic(fmt.Sprintf("openflow: field %s cannot be in prefix %s", f, prefix))
	}
	c := Clause{field: f, size: f.info().size, masked: true}
	copy(c.value[:], prefix.Addr().AsSlice())
	for i := range prefix.Bits() {
		c.mask[i/8] |= 0x80 >> (i % 8)
	}
	return c.normalised()
}

// Bytes matches a value given in network order, under a mask (nil: all bits). It panics if a length is not the field's.
func (f Field) Bytes(value, mask []byte) Clause {
	size := f.info().size
	if len(value) != int(size) || mask != nil && len(mask) != int(size) {
		panic(fmt.Sprintf("openflow: field %s has %d bytes, not %d under a mask of %d", f, size, len(value), len(mask)))
	}
	c := Clause{field: f, size: size, masked: mask != nil}
	copy(c.value[:], value)
	copy(c.mask[:], mask)
	return c.normalised()
}

// check panics if n has more bits than the field.
func (f Field) check(n uint64, what string) {
	info := f.info()
	if f == unknownField || info.bits > 64 || info.bits < 64 && n>>info.bits != 0 && (f != InPort16 || n>>16 != 0) {
		panic(fmt.Sprintf("openflow: %s %#x does not fit field %s of %d bits", what, n, f, info.bits))
	}
}

// normalised gives clauses that mean the same the same form: the one that Open vSwitch sends back.
func (c Clause) normalised() Clause {
	switch c.field {
	case CTState:
		// Of the 32 bits Open vSwitch keeps 8, and writes them as a mask even if it is all 8.
		if !c.masked {
			c.masked = true
			c.mask[3] = 0xff
		}
		c.mask[0], c.mask[1], c.mask[2] = 0, 0, 0
	case VLANVID, IPFrag:
		// These fields fill their bytes only in part, and Open vSwitch calls a mask over that part exact.
		if c.masked {
			all := widest(c.field)
			if number(c.mask[:c.size])&all == all {
				c.masked = false
			}
		}
	}
	if !c.masked {
		c.mask = [16]byte{}
		return c
	}
	exact := true
	for i := range c.size {
		c.value[i] &= c.mask[i]
		exact = exact && c.mask[i] == 0xff
	}
	if exact {
		c.masked, c.mask = false, [16]byte{}
	}
	return c
}

// matchesAll says that the mask is zero.
func (c *Clause) matchesAll() bool {
	return c.masked && c.mask == [16]byte{} && c.field != unknownField
}

// widest is the mask over all significant bits of a field of up to 64 bits.
func widest(f Field) uint64 {
	if bits := f.info().bits; bits < 64 {
		return 1<<bits - 1
	}
	return ^uint64(0)
}

// number reads the last (at most) 8 bytes in network order.
func number(b []byte) (n uint64) {
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}

// putNumber writes n in network order over the whole of b, which has at most 8 bytes that matter.
func putNumber(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(n)
		n >>= 8
	}
}

// appendTo writes the clause as a TLV under the given type.
func (c *Clause) appendTo(b []byte, t oxmType) []byte {
	if c.field == unknownField {
		return append(b, c.raw...)
	}
	if !c.masked {
		b = binary.BigEndian.AppendUint32(b, t.header(false, int(c.size)))
		return append(b, c.value[:c.size]...)
	}
	b = binary.BigEndian.AppendUint32(b, t.header(true, 2*int(c.size)))
	b = append(b, c.value[:c.size]...)
	return append(b, c.mask[:c.size]...)
}
