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
	w := &way{s: s, packet: newPacket(in), in: in, out: &out}
	defer func() { w.end() }()
	err = w.through(0)
	return out, err
}

// way is a packet's way through the tables.
type way struct {
	s *Switch
	*packet
	in     Packet
	out    *Outcome
	inside int // resubmits and groups under way
}

// end says what the packet looked like in the end.
func (w *way) end() {
	w.out.Registers = w.registers()
	now := w.tuple()
	w.out.Source, w.out.Destination, w.out.SourcePort, w.out.DestPort = now.source, now.destination, now.sourcePort, now.destPort
}

// through begins at a table and follows where the flows lead.
func (w *way) through(at uint8) error {
	for len(w.out.Path) < maxSteps {
		w.out.Path = append(w.out.Path, at)
		t, err := w.s.table(at)
		if err != nil {
			return err
		}
		e, err := t.find(w.packet, w.s.Free)
		if err != nil {
			return err
		}
		if e == nil {
			w.drop(at)
			return nil
		}
		next, err := w.act(e.flow, e.actions)
		if err != nil {
			return err
		}
		if next == 0 {
			next = e.flow.Goto
		}
		if next == 0 {
			w.drop(at)
			return nil
		}
		if next <= at {
			return fmt.Errorf("flowsim: flow %s goes back to table %d", e.flow, next)
		}
		at = next
	}
	return fmt.Errorf("flowsim: a packet passed more than %d tables", maxSteps)
}

// drop notes where a packet ended that did not leave. A table that was looked up on
// the way may well have nothing to say.
func (w *way) drop(at uint8) {
	if w.out.Port == 0 && w.inside == 0 {
		w.out.DroppedIn = at
	}
}

// act does the actions of a flow or bucket; next is where ct() recirculates to.
func (w *way) act(flow of.Flow, actions []of.Action) (next uint8, err error) {
	p, in, out := w.packet, w.in, w.out
	for _, a := range actions {
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
			if in.Stateful {
				if err := w.s.track(w, a); err != nil {
					return 0, fmt.Errorf("flowsim: flow %s: %w", flow, err)
				}
			} else if !a.Commit {
				p.track(in)
			}
			out.Committed = out.Committed || a.Commit
			next = a.Table
		case of.ResubmitAction:
			w.inside++
			err := w.through(a.Table)
			w.inside--
			if err != nil {
				return 0, err
			}
		case of.GroupAction:
			if err := w.group(flow, a.ID); err != nil {
				return 0, err
			}
		case of.Learn:
			learned := a.Flow(func(f of.Field) []byte { return p.field(f, (f.Bits()+7)/8) })
			w.s.flows[learned.Key()] = learned
			delete(w.s.tables, learned.Table)
		default:
			return 0, fmt.Errorf("flowsim: flow %s has an action that is not simulated: %T", flow, a)
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
