package compare

import (
	"cmp"
	"slices"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// rulesOf are the rules of one side about one pair.
type rulesOf struct{ egress, ingress []*rule }

// outcome is what becomes of a packet: Allow, Deny or Reject, and what refuses it.
type outcome struct {
	action abi.Action
	by     policy.Key
}

func (s *side) outcome(r rulesOf, packet policy.Packet) outcome {
	for _, rules := range [][]*rule{r.egress, r.ingress} {
		if action, by := s.decide(rules, packet); by != nil {
			return outcome{action, by.Key}
		}
	}
	return outcome{action: abi.Allow}
}

// judgeSlots compares what becomes of packets between two addresses, at every
// port where it may begin to differ.
func (c *comparison) judgeSlots(from, to *end, source, destination slot, packet policy.Packet) []Change {
	var rules [2]rulesOf
	var named []abi.Port
	for i, s := range c.sides {
		rules[i] = rulesOf{s.relevant(abi.Egress, from, to, destination), s.relevant(abi.Ingress, to, from, source)}
		for _, r := range slices.Concat(rules[i].egress, rules[i].ingress) {
			named = append(named, r.spec.Ports...)
		}
	}
	var changes []Change
	for _, protocol := range protocolsOf(source.four) {
		cuts := cutsOf(protocol, named, c.namedPorts(packet))
		for i, first := range cuts {
			packet.Protocol, packet.Port = protocol, uint16(first)
			last := maxPort
			if i+1 < len(cuts) {
				last = cuts[i+1] - 1
			}
			before, after := c.sides[0].outcome(rules[0], packet), c.sides[1].outcome(rules[1], packet)
			if before.action == after.action {
				continue
			}
			changes = c.note(changes, packet, kindOf(before, after),
				PortRange{Protocol: protocol, First: uint16(first), Last: uint16(last), Other: protocol == otherProtocol})
		}
	}
	for i := range changes {
		changes[i].Ports = everything(changes[i].Ports, source.four)
	}
	return changes
}

// note adds a range to the change of this kind, or makes one.
func (c *comparison) note(changes []Change, packet policy.Packet, kind Kind, ports PortRange) []Change {
	for i := range changes {
		if changes[i].Kind != kind {
			continue
		}
		list := changes[i].Ports
		if last := &list[len(list)-1]; last.Protocol == ports.Protocol && int(last.Last)+1 == int(ports.First) {
			last.Last = ports.Last
		} else {
			changes[i].Ports = append(list, ports)
		}
		return changes
	}
	return append(changes, Change{Kind: kind, Ports: []PortRange{ports}, Sample: packet})
}

func kindOf(before, after outcome) Kind {
	switch {
	case before.action == abi.Allow:
		return NewDeny
	case after.action == abi.Allow:
		return NewAllow
	}
	return Answer
}

// otherProtocol stands for every protocol that no rule can name: only a rule
// about all protocols is about it.
const otherProtocol = abi.AnyProtocol

func protocolsOf(four bool) []abi.Protocol {
	if four {
		return []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP, abi.ICMP, otherProtocol}
	}
	return []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP, abi.ICMPv6, otherProtocol}
}

func (c *comparison) namedPorts(packet policy.Packet) []inventory.NamedPort {
	pod, is := c.inv.PodByAddr(packet.Destination)
	if !is {
		return nil
	}
	return pod.Ports()
}

// cutsOf are the ports of a protocol at which a range of some rule begins, or
// has just ended; 0 first.
func cutsOf(protocol abi.Protocol, rules []abi.Port, named []inventory.NamedPort) []int {
	cuts := []int{0}
	between := func(first, last int) {
		cuts = append(cuts, first)
		if last < maxPort {
			cuts = append(cuts, last+1)
		}
	}
	for _, p := range rules {
		switch {
		case p.Protocol != protocol || protocol == otherProtocol:
		case p.ICMP != nil && p.ICMP.AnyCode:
			between(int(p.ICMP.Type)<<8, int(p.ICMP.Type)<<8|0xff)
		case p.ICMP != nil:
			between(int(p.ICMP.Type)<<8|int(p.ICMP.Code), int(p.ICMP.Type)<<8|int(p.ICMP.Code))
		case p.Name != "":
			for _, n := range named {
				if n.Name == p.Name && n.Protocol == protocol {
					between(int(n.Number), int(n.Number))
				}
			}
		case p.Last != 0:
			between(int(p.First), int(p.Last))
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// everything replaces all ports of all protocols by the one range that says so.
func everything(ports []PortRange, four bool) []PortRange {
	whole := 0
	for _, p := range ports {
		if p.First == 0 && p.Last == maxPort {
			whole++
		}
	}
	if whole == len(protocolsOf(four)) {
		return []PortRange{{Protocol: abi.AnyProtocol, Last: maxPort}}
	}
	sortPorts(ports)
	return ports
}

// mergeFamilies adds what was found for one family to what was found for the
// other: what is the same in both is one change.
func mergeFamilies(changes, found []Change, four bool) []Change {
	family := IPv6
	if four {
		family = IPv4
	}
	for _, f := range found {
		f.Family = family
		i := slices.IndexFunc(changes, func(c Change) bool {
			return c.Kind == f.Kind && (c.Family != family) && samePorts(c.Ports, f.Ports)
		})
		if i < 0 {
			changes = append(changes, f)
		} else {
			changes[i].Family = Both
		}
	}
	return changes
}

// samePorts takes ICMP and ICMPv6 for the same if all of it is meant.
func samePorts(a, b []PortRange) bool {
	return slices.Equal(familyless(a), familyless(b))
}

func familyless(ports []PortRange) []PortRange {
	plain := slices.Clone(ports)
	for i, p := range plain {
		if p.Protocol == abi.ICMPv6 && p.First == 0 && p.Last == maxPort {
			plain[i].Protocol = abi.ICMP
		}
	}
	sortPorts(plain)
	return plain
}

func sortPorts(ports []PortRange) {
	slices.SortFunc(ports, func(a, b PortRange) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.First, b.First))
	})
}
