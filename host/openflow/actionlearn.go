package openflow

import "fmt"

// Learn adds or changes a flow, made from the packet that is being processed.
type Learn struct {
	IdleTimeout, HardTimeout       uint16 // seconds
	FinIdleTimeout, FinHardTimeout uint16 // seconds, from a TCP FIN or RST on
	Priority                       uint16
	Cookie                         uint64
	SendFlowRemoved                bool
	DeleteLearned                  bool // delete the learned flows with this Learn's table and cookie when the last such Learn goes
	Table                          uint8
	Specs                          []LearnSpec
}

// LearnSpec is one clause or action of the learned flow. Make it with LearnMatch, LearnMatchField, LearnLoad, LearnCopy or LearnOutput.
type LearnSpec struct {
	kind  learnKind
	from  Subfield // source; not for constants
	value []byte   // constant source, in 16-bit units
	to    Subfield
}

// learnKind is the part of a spec's header that says where source and destination are.
type learnKind uint16

const (
	learnConstant   learnKind = 1 << 13
	learnToMatch    learnKind = 0
	learnToLoad     learnKind = 1 << 11
	learnToOutput   learnKind = 2 << 11
	learnKindMask   learnKind = 7 << 11
	learnBitsMask             = 0x3ff
	learnSendRemove           = 1
	learnDelete               = 2
)

// LearnMatch makes the learned flow match the clause, which must be exact.
func LearnMatch(clause Clause) LearnSpec {
	return learnClause(learnConstant|learnToMatch, clause)
}

// LearnMatchField makes the learned flow match, in the bits of field, what the packet has now in the bits of from.
func LearnMatchField(field, from Subfield) LearnSpec {
	return learnFrom(learnToMatch, field, from)
}

// LearnLoad makes the learned flow write the clause's value into its field. The clause must be exact.
func LearnLoad(clause Clause) LearnSpec {
	return learnClause(learnConstant|learnToLoad, clause)
}

// LearnCopy makes the learned flow write into the bits of field what the packet has now in the bits of from.
func LearnCopy(field, from Subfield) LearnSpec {
	return learnFrom(learnToLoad, field, from)
}

// LearnOutput makes the learned flow send packets to the port whose number the packet has now in the bits of from.
func LearnOutput(from Subfield) LearnSpec {
	return LearnSpec{kind: learnToOutput, from: from.check()}
}

func learnClause(kind learnKind, c Clause) LearnSpec {
	if c.masked || c.field == unknownField {
		panic(fmt.Sprintf("openflow: a learned flow can have exact values only, not part of %s", c.field))
	}
	to := c.field.All()
	value := c.value[:c.size]
	value = value[len(value)-(to.Bits+7)/8:]
	if len(value)%2 != 0 {
		value = append([]byte{0}, value...)
	}
	return LearnSpec{kind: kind, value: append([]byte(nil), value...), to: to}
}

func learnFrom(kind learnKind, to, from Subfield) LearnSpec {
	if to.check().Bits != from.check().Bits {
		panic(fmt.Sprintf("openflow: learning %d bits of %s from %d bits of %s", to.Bits, to.Field, from.Bits, from.Field))
	}
	return LearnSpec{kind: kind, from: from, to: to}
}

func (a Learn) appendTo(b []byte) []byte {
	start := len(b)
	b = put16(put16(put16(appendNicira(b, nxLearn, 0), a.IdleTimeout), a.HardTimeout), a.Priority)
	var flags uint16
	if a.SendFlowRemoved {
		flags |= learnSendRemove
	}
	if a.DeleteLearned {
		flags |= learnDelete
	}
	b = append(put16(put64(b, a.Cookie), flags), a.Table, 0)
	b = put16(put16(b, a.FinIdleTimeout), a.FinHardTimeout)
	for i := range a.Specs {
		b = a.Specs[i].appendTo(b)
	}
	return finish(b, start)
}

func (s *LearnSpec) appendTo(b []byte) []byte {
	bits := s.to.Bits
	if s.kind&learnKindMask == learnToOutput {
		bits = s.from.Bits
	}
	b = put16(b, uint16(s.kind)|uint16(bits))
	if s.kind&learnConstant != 0 {
		b = append(b, s.value...)
	} else {
		b = put16(put32(b, s.from.Field.legacyHeader()), uint16(s.from.First))
	}
	if s.kind&learnToOutput == 0 {
		b = put16(put32(b, s.to.Field.legacyHeader()), uint16(s.to.First))
	}
	return b
}
