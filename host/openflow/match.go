package openflow

import (
	"fmt"
	"math/bits"
)

// Match is the condition of a flow, as canonical OXM bytes: two Matches are == exactly if they match the same packets by the same fields.
// The zero Match matches every packet.
type Match struct{ oxm string }

// MatchOf is the Match that needs all clauses. Their order does not matter. Clauses about different bits of one field are joined.
//
// It does not add prerequisites (EthType before IPv4Src and so on); Open vSwitch refuses a flow that lacks one, with OFPBMC_BAD_PREREQ.
// It panics if two clauses contradict each other, because such a match cannot be written down.
func MatchOf(clauses ...Clause) Match {
	var b matchBuilder
	for i := range clauses {
		if clauses[i].field == unknownField && clauses[i].raw == "" {
			panic("openflow: a clause of a match is the zero Clause; make clauses with the methods of Field")
		}
		if field := b.add(clauses[i]); field != unknownField {
			panic(fmt.Sprintf("openflow: two clauses of one match contradict each other about %s", field))
		}
	}
	return b.match()
}

// And is the Match that needs this match's clauses and the others. It panics as MatchOf does.
func (m Match) And(clauses ...Clause) Match { return MatchOf(append(m.Clauses(), clauses...)...) }

// Clauses lists the match's clauses in canonical order. A field of which bits were named by several clauses appears once; XReg and XXReg appear as Reg.
func (m Match) Clauses() []Clause {
	var clauses []Clause
	for rest := m.oxm; rest != ""; {
		c, n, err := decodeClause([]byte(rest))
		if err != nil {
			return clauses // cannot be: canonical bytes were encoded or checked by this package
		}
		clauses = append(clauses, c)
		rest = rest[n:]
	}
	return clauses
}

// IsZero says that the match has no clauses.
func (m Match) IsZero() bool { return m.oxm == "" }

// matchBuilder collects clauses by field. It is meant to live on the stack.
type matchBuilder struct {
	present [2]uint64 // a bit for each field that has a clause
	clauses [fieldCount]Clause
	unknown []byte
}

// add adds a clause of any kind. It returns the field that has a contradiction, normally unknownField.
func (b *matchBuilder) add(c Clause) Field {
	switch {
	case c.field == unknownField:
		b.unknown = append(b.unknown, c.raw...)
		return unknownField
	case c.field >= xreg0 && c.field <= xxreg3:
		return b.addWide(c)
	case c.field == InPort16:
		c = widePort(c)
	}
	return b.insert(&c)
}

// insert puts a clause about a known field that is not a wide register into its place, or joins it to the one that is there.
func (b *matchBuilder) insert(c *Clause) Field {
	if c.matchesAll() {
		return unknownField
	}
	word, bit := c.field/64, uint64(1)<<(c.field%64)
	if b.present[word]&bit == 0 {
		b.present[word] |= bit
		b.clauses[c.field] = *c
	} else if !b.clauses[c.field].join(c) {
		return c.field
	}
	return unknownField
}

// addWide splits a clause about a wide register into clauses about 32-bit registers.
func (b *matchBuilder) addWide(c Clause) Field {
	first := reg0 + 2*(c.field-xreg0)
	if c.field >= xxreg0 {
		first = reg0 + 4*(c.field-xxreg0)
	}
	for i := range c.size / 4 {
		part := Clause{field: first + Field(i), size: 4, masked: c.masked}
		copy(part.value[:4], c.value[4*i:])
		copy(part.mask[:4], c.mask[4*i:])
		part = part.normalised()
		if contradiction := b.insert(&part); contradiction != unknownField {
			return c.field
		}
	}
	return unknownField
}

// join adds the bits of another clause about the same field. It is false if they contradict.
func (c *Clause) join(other *Clause) bool {
	ones := func(x *Clause) [16]byte {
		if x.masked {
			return x.mask
		}
		var all [16]byte
		for i := range x.size {
			all[i] = 0xff
		}
		return all
	}
	mine, theirs := ones(c), ones(other)
	joined := Clause{field: c.field, size: c.size, masked: true}
	for i := range c.size {
		if (c.value[i]^other.value[i])&mine[i]&theirs[i] != 0 {
			return false
		}
		joined.value[i] = c.value[i] | other.value[i]
		joined.mask[i] = mine[i] | theirs[i]
	}
	*c = joined.normalised()
	return true
}

// widePort turns a clause about the 16-bit port number into one about the 32-bit one. Reserved ports keep their meaning.
func widePort(c Clause) Clause {
	if c.masked {
		return InPort.Masked(number(c.value[:2]), number(c.mask[:2]))
	}
	port := number(c.value[:2])
	if port >= 0xff00 {
		port |= 0xffff0000
	}
	return InPort.Is(port)
}

func (b *matchBuilder) match() Match {
	var room [512]byte
	wire := room[:0]
	for word, present := range b.present {
		for ; present != 0; present &= present - 1 {
			field := word*64 + bits.TrailingZeros64(present)
			wire = b.clauses[field].appendTo(wire, fieldTable[field].oxm)
		}
	}
	return Match{string(append(wire, b.unknown...))}
}
