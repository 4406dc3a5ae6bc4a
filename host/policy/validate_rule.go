package policy

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/sluice-net/sluice/abi"
)

func (t *Txn) canonicalRule(object string, spec abi.RuleSpec) (abi.RuleSpec, error) {
	if err := t.checkPlace(object, spec.Tier, spec.Direction); err != nil {
		return spec, err
	}
	if spec.Action < abi.Allow || spec.Action > abi.Pass {
		return spec, malformed(object, fmt.Sprintf("action: %d is not known: use allow (1), deny (2), reject (3) or pass (4)", spec.Action))
	}
	if !slices.Contains(t.layer.grant.Actions, spec.Action) {
		return spec, notGranted(object, fmt.Sprintf("action: the module is not granted %q: ask for it in the manifest and have the operator grant it", ActionName(spec.Action)))
	}
	if err := t.checkSubjects(object, spec.Subjects); err != nil {
		return spec, err
	}
	if err := t.checkPeers(object, &spec); err != nil {
		return spec, err
	}
	if err := checkOrigin(object, spec.Origin); err != nil {
		return spec, err
	}
	ports, err := canonicalPorts(object, spec.Ports)
	if err != nil {
		return spec, err
	}
	spec.Subjects = sortedNames(spec.Subjects)
	spec.Peers = sortedNames(spec.Peers)
	spec.Ports = ports
	return spec, nil
}

func (t *Txn) canonicalIsolation(object string, spec abi.IsolationSpec) (abi.IsolationSpec, error) {
	if err := t.checkPlace(object, spec.Tier, spec.Direction); err != nil {
		return spec, err
	}
	if err := t.checkSubjects(object, spec.Subjects); err != nil {
		return spec, err
	}
	if err := checkOrigin(object, spec.Origin); err != nil {
		return spec, err
	}
	spec.Subjects = sortedNames(spec.Subjects)
	return spec, nil
}

func notGranted(object, reason string) error {
	return &StageError{Code: abi.NotGranted, Object: object, Reason: reason}
}

func (t *Txn) checkPlace(object string, tier abi.Tier, direction abi.Direction) error {
	if tier < abi.Admin || tier > abi.Baseline {
		return malformed(object, fmt.Sprintf("tier: %d is not known: use admin (1), network (2) or baseline (3)", tier))
	}
	if !slices.Contains(t.layer.grant.Tiers, tier) {
		return notGranted(object, fmt.Sprintf("tier: the module is not granted %q: ask for it in the manifest and have the operator grant it", TierName(tier)))
	}
	if direction != abi.Ingress && direction != abi.Egress {
		return malformed(object, fmt.Sprintf("direction: %d is not known: use ingress (1) or egress (2)", direction))
	}
	return nil
}

func (t *Txn) checkSubjects(object string, subjects []string) error {
	if len(subjects) == 0 {
		return malformed(object, "subjects: at least one set of Pods must be named")
	}
	for i, name := range subjects {
		spec, there := t.specOf(name)
		if !there {
			return unknownSet(object, fmt.Sprintf("subjects[%d]: there is no set %q: put it before what names it", i, name))
		}
		if _, is := spec.(*abi.Pods); !is {
			return malformed(object, fmt.Sprintf("subjects[%d]: set %q is not a set of Pods", i, name))
		}
	}
	return nil
}

func (t *Txn) checkPeers(object string, spec *abi.RuleSpec) error {
	if spec.AnyPeer && len(spec.Peers) > 0 {
		return malformed(object, "peers: named together with anyPeer: give one of them")
	}
	if !spec.AnyPeer && len(spec.Peers) == 0 {
		return malformed(object, "peers: none is named; for any peer set anyPeer")
	}
	for i, name := range spec.Peers {
		if _, there := t.specOf(name); !there {
			return unknownSet(object, fmt.Sprintf("peers[%d]: there is no set %q: put it before what names it", i, name))
		}
	}
	return nil
}

func checkOrigin(object string, o abi.Origin) error {
	for _, text := range []string{o.Resource, o.Namespace, o.Name, o.Rule} {
		if len(text) > abi.MaxName || !utf8.ValidString(text) {
			return malformed(object, fmt.Sprintf("origin: each part is valid UTF-8 of at most %d bytes", abi.MaxName))
		}
	}
	return nil
}

func canonicalPorts(object string, ports []abi.Port) ([]abi.Port, error) {
	if len(ports) == 0 {
		return nil, nil
	}
	canonical := make([]abi.Port, 0, len(ports))
	for i, p := range ports {
		if reason := badPort(p); reason != "" {
			return nil, malformed(object, fmt.Sprintf("ports[%d]: %s", i, reason))
		}
		if p.ICMP != nil {
			kind := *p.ICMP
			if kind.AnyCode {
				kind.Code = 0
			}
			p.ICMP = &kind
		}
		canonical = append(canonical, p)
	}
	slices.SortFunc(canonical, comparePorts)
	return slices.CompactFunc(canonical, func(a, b abi.Port) bool { return comparePorts(a, b) == 0 }), nil
}

func badPort(p abi.Port) string {
	ranged := p.First != 0 || p.Last != 0
	switch p.Protocol {
	case abi.TCP, abi.UDP, abi.SCTP:
		switch {
		case p.ICMP != nil:
			return "icmp: goes with protocol ICMP (1) or ICMPv6 (58) only"
		case p.Name != "" && ranged:
			return "name: given together with first and last: give one of them"
		case p.First > p.Last:
			return fmt.Sprintf("first: %d is greater than last, %d", p.First, p.Last)
		case len(p.Name) > abi.MaxName || !utf8.ValidString(p.Name):
			return fmt.Sprintf("name: must be valid UTF-8 of at most %d bytes", abi.MaxName)
		}
	case abi.ICMP, abi.ICMPv6:
		if ranged || p.Name != "" {
			return "first, last, name: ICMP has no ports; give icmp.type"
		}
	case abi.AnyProtocol:
		if ranged || p.Name != "" || p.ICMP != nil {
			return "protocol: 0 is every protocol and takes no port; give TCP (6), UDP (17) or SCTP (132)"
		}
	default:
		return fmt.Sprintf("protocol: %d is not known: use TCP (6), UDP (17), SCTP (132), ICMP (1), ICMPv6 (58) or 0 for every one", p.Protocol)
	}
	return ""
}

func comparePorts(a, b abi.Port) int {
	return cmp.Or(
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last),
		cmp.Compare(a.Name, b.Name), cmp.Compare(kindOrder(a.ICMP), kindOrder(b.ICMP)),
	)
}

func kindOrder(k *abi.ICMPKind) int {
	switch {
	case k == nil:
		return -1
	case k.AnyCode:
		return int(k.Type) << 9
	}
	return int(k.Type)<<9 + 1 + int(k.Code)
}
