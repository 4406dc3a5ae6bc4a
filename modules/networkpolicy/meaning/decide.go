package meaning

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Decides gives the action of the rule that decides a connection in one tier and
// direction; 0 if none matches. "A higher Priority is asked first"; "among rules
// [...] with the same priority Deny wins over Reject over Pass over Allow".
func (m *Meaning) Decides(w *World, tier abi.Tier, direction abi.Direction, c Connection) abi.Action {
	strength := []abi.Action{abi.Allow, abi.Pass, abi.Reject, abi.Deny}
	subject, peer := c.Sides(direction)
	var action abi.Action
	var priority int32
	for _, rule := range m.Rules {
		if rule.Tier != tier || rule.Direction != direction || !m.inAny(w, rule.Subjects, subject) ||
			!rule.AnyPeer && !m.inAny(w, rule.Peers, peer) || !admits(rule.Ports, c) {
			continue
		}
		stronger := rule.Priority == priority && slices.Index(strength, rule.Action) > slices.Index(strength, action)
		if action == 0 || rule.Priority > priority || stronger {
			action, priority = rule.Action, rule.Priority
		}
	}
	return action
}

// Isolated tells whether the subject of a connection is isolated in a tier.
func (m *Meaning) Isolated(w *World, tier abi.Tier, direction abi.Direction, c Connection) bool {
	subject, _ := c.Sides(direction)
	for _, isolation := range m.Isolations {
		if isolation.Tier == tier && isolation.Direction == direction && m.inAny(w, isolation.Subjects, subject) {
			return true
		}
	}
	return false
}

func (m *Meaning) inAny(w *World, sets []string, e *End) bool {
	return slices.ContainsFunc(sets, func(name string) bool {
		switch s := m.sets[name].(type) {
		case *abi.Addresses:
			return slices.ContainsFunc(s.Blocks, func(b abi.Block) bool { return inBlock(b, e.Addr) })
		case *abi.Nodes:
			return e.Node != "" && matches(s.Selector, e.Labels)
		case *abi.Pods:
			scope := slices.Contains(s.Namespaces, e.Namespace) ||
				s.NamespaceSelector != nil && matches(*s.NamespaceSelector, w.Namespaces[e.Namespace])
			return e.Pod != "" && scope && matches(s.PodSelector, e.Labels)
		}
		return false
	})
}

func inBlock(b abi.Block, addr netip.Addr) bool {
	return netip.MustParsePrefix(b.CIDR).Contains(addr) && !slices.ContainsFunc(b.Except, func(except string) bool {
		return netip.MustParsePrefix(except).Contains(addr)
	})
}

func matches(selector abi.Selector, labels map[string]string) bool {
	for _, r := range selector.Requirements {
		value, has := labels[r.Key]
		in := has && slices.Contains(r.Values, value)
		if !map[abi.Operator]bool{abi.In: in, abi.NotIn: !in, abi.Exists: has, abi.DoesNotExist: !has}[r.Operator] {
			return false
		}
	}
	return true
}

// admits tells whether ports let a connection through; no ports let everything.
func admits(ports []abi.Port, c Connection) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p abi.Port) bool {
		switch {
		case p.Protocol != abi.AnyProtocol && p.Protocol != c.Protocol:
			return false
		case p.Name != "":
			return slices.Contains(c.Destination.Ports, NamedPort{p.Name, c.Protocol, c.Port})
		case p.First == 0 && p.Last == 0:
			return true
		}
		return c.Port >= p.First && c.Port <= p.Last
	})
}
