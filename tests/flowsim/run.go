package flowsim

import (
	"encoding/binary"
	"fmt"

	of "github.com/sluice-net/sluice/host/openflow"
)

// maxSteps bounds the way of one packet.
const maxSteps = 64

// Run sends a packet through the tables.
func (s *Switch) Run(in Packet) (out Outcome, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := newPacket(in)
	defer func() { out.Registers = p.registers() }()
	at := uint8(0)
	for range maxSteps {
		out.Path = append(out.Path, at)
		t, err := s.table(at)
		if err != nil {
			return out, err
		}
		e, err := t.find(p, s.Free)
		if err != nil {
			return out, err
		}
		if e == nil {
			out.DroppedIn = at
			return out, nil
		}
		next, err := p.act(e, in, &out)
		if err != nil {
			return out, err
		}
		if next == 0 {
			next = e.flow.Goto
		}
		if next == 0 {
			if out.Port == 0 {
				out.DroppedIn = at
			}
			return out, nil
		}
		if next <= at {
			return out, fmt.Errorf("flowsim: flow %s goes back to table %d", e.flow, next)
		}
		at = next
	}
	return out, fmt.Errorf("flowsim: a packet passed more than %d tables", maxSteps)
}

// act does the actions of a flow; next is where ct() recirculates to.
func (p *packet) act(e *entry, in Packet, out *Outcome) (next uint8, err error) {
	for _, a := range e.actions {
		switch a := a.(type) {
		case of.SetFieldAction:
			p.write(a.Clause)
		case of.MoveAction:
			p.move(a.Src, a.Dst)
		case of.DecTTLAction:
			ttl := p.fields[of.IPTTL][0]
			if ttl <= 1 {
				return 0, nil
			}
			p.number(of.IPTTL, 8, uint64(ttl-1))
		case of.CheckPktLargerAction:
			larger := uint64(0)
			if in.Length > int(a.Length) {
				larger = 1
			}
			p.write(a.Bit.Field.Masked(larger<<a.Bit.First, 1<<a.Bit.First))
		case of.OutputAction:
			p.output(a.Port, in, out)
		case of.OutputFieldAction:
			p.output(binary.BigEndian.Uint32(p.field(a.Port.Field, 4)), in, out)
		case of.Controller:
			out.Sent = append(out.Sent, Sent{UserData: a.UserData, MeterID: a.MeterID, Registers: p.registers()})
		case of.CT:
			if a.Commit {
				out.Committed = true
			} else {
				p.track(in)
			}
			next = a.Table
		default:
			return 0, fmt.Errorf("flowsim: flow %s has an action that is not simulated: %T", e.flow, a)
		}
	}
	return next, nil
}

func (p *packet) output(port uint32, in Packet, out *Outcome) {
	if port == in.InPort {
		return // Open vSwitch sends nothing back that way
	}
	if port == of.PortIn {
		port = in.InPort
	}
	out.Port = port
	out.TTL = p.fields[of.IPTTL][0]
	out.EthDst = append(out.EthDst[:0], p.fields[of.EthDst]...)
}

func (p *packet) field(f of.Field, size int) []byte {
	if v := p.fields[f]; v != nil {
		return v
	}
	return make([]byte, size)
}

func (p *packet) write(c of.Clause) {
	value, mask := c.Value(), c.Mask()
	now := append([]byte(nil), p.field(c.Field(), len(value))...)
	for i := range value {
		now[i] = now[i]&^mask[i] | value[i]&mask[i]
	}
	p.fields[c.Field()] = now
}

func (p *packet) move(src, dst of.Subfield) {
	from := p.field(src.Field, (src.Field.Bits()+7)/8)
	to := append([]byte(nil), p.field(dst.Field, (dst.Field.Bits()+7)/8)...)
	for i := range src.Bits {
		s, d := src.First+i, dst.First+i
		bit := from[len(from)-1-s/8] >> (s % 8) & 1
		at := len(to) - 1 - d/8
		to[at] = to[at]&^(1<<(d%8)) | bit<<(d%8)
	}
	p.fields[dst.Field] = to
}
