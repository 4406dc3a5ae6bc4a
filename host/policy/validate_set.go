package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/sluice-net/sluice/abi"
)

func malformed(object, reason string) error {
	return &StageError{Code: abi.Malformed, Object: object, Reason: reason}
}

func unknownSet(object, reason string) error {
	return &StageError{Code: abi.UnknownSet, Object: object, Reason: reason}
}

func checkName(object, name string) error {
	switch {
	case name == "":
		return malformed(object, "name: must not be empty")
	case len(name) > abi.MaxName:
		return &StageError{
			Code:   abi.TooLarge,
			Object: object[:min(len(object), 60)] + "...",
			Reason: fmt.Sprintf("name: is %d bytes long and may be %d: choose a shorter one, for instance a hash", len(name), abi.MaxName),
		}
	case !utf8.ValidString(name):
		return malformed(object, "name: is not valid UTF-8")
	}
	return nil
}

// canonicalSet validates a spec and returns it in the form in which equal sets
// are equal.
func canonicalSet(object string, spec abi.SetSpec) (abi.SetSpec, error) {
	switch spec := spec.(type) {
	case *abi.Pods:
		return canonicalPods(object, spec)
	case *abi.Nodes:
		selector, err := canonicalSelector(object, "nodes.selector", spec.Selector)
		return &abi.Nodes{Selector: selector}, err
	case *abi.Addresses:
		return canonicalAddresses(object, spec)
	}
	return nil, malformed(object, "spec: one of pods, nodes, addresses must be given")
}

func canonicalPods(object string, spec *abi.Pods) (abi.SetSpec, error) {
	if len(spec.Namespaces) == 0 && spec.NamespaceSelector == nil {
		return nil, malformed(object, "pods: neither namespaces nor namespaceSelector is given; for all namespaces give a namespaceSelector without requirements")
	}
	canonical := &abi.Pods{Namespaces: sortedNames(spec.Namespaces)}
	for i, name := range spec.Namespaces {
		if err := checkName(fmt.Sprintf("%s: pods.namespaces[%d]", object, i), name); err != nil {
			return nil, err
		}
	}
	var err error
	if canonical.PodSelector, err = canonicalSelector(object, "pods.podSelector", spec.PodSelector); err != nil {
		return nil, err
	}
	if spec.NamespaceSelector != nil {
		selector, err := canonicalSelector(object, "pods.namespaceSelector", *spec.NamespaceSelector)
		if err != nil {
			return nil, err
		}
		canonical.NamespaceSelector = &selector
	}
	return canonical, nil
}

func canonicalAddresses(object string, spec *abi.Addresses) (abi.SetSpec, error) {
	blocks := make([]abi.Block, 0, len(spec.Blocks))
	prefixes := make([]netip.Prefix, 0, len(spec.Blocks))
	for i := range spec.Blocks {
		block, prefix, reason := canonicalBlock(spec.Blocks[i])
		if reason != "" {
			return nil, malformed(object, fmt.Sprintf("addresses.blocks[%d].%s", i, reason))
		}
		blocks = append(blocks, block)
		prefixes = append(prefixes, prefix)
	}
	return &abi.Addresses{Blocks: sortBlocks(blocks, prefixes)}, nil
}

// canonicalBlock masks the CIDRs and drops excepts that lie in another except.
// If something is wrong it says what, beginning with the field.
//
// "Except values will be rejected if they are outside the cidr range"
// (networking.k8s.io/v1, IPBlock).
func canonicalBlock(b abi.Block) (block abi.Block, cidr netip.Prefix, reason string) {
	cidr, reason = parsePrefix(b.CIDR)
	if reason != "" {
		return block, cidr, "cidr: " + reason
	}
	block.CIDR = canonicalText(cidr, b.CIDR)
	if len(b.Except) == 0 {
		return block, cidr, ""
	}
	excepts := make([]netip.Prefix, 0, len(b.Except))
	for i, text := range b.Except {
		except, reason := parsePrefix(text)
		switch {
		case reason != "":
		case except.Addr().Is4() != cidr.Addr().Is4():
			reason = fmt.Sprintf("%s and %s are not of the same IP family", except, cidr)
		case except.Bits() <= cidr.Bits() || !cidr.Contains(except.Addr()):
			reason = fmt.Sprintf("%s must lie inside %s and be smaller", except, cidr)
		}
		if reason != "" {
			return block, cidr, fmt.Sprintf("except[%d]: %s", i, reason)
		}
		excepts = append(excepts, except)
	}
	slices.SortFunc(excepts, netip.Prefix.Compare) // an outer one comes right before what lies in it
	outer := excepts[0]
	for i, except := range excepts {
		if i > 0 && outer.Overlaps(except) {
			continue
		}
		outer = except
		block.Except = append(block.Except, except.String())
	}
	return block, cidr, ""
}

// parsePrefix reads a CIDR, or says what is wrong with it. Bits after the
// prefix length are taken as 0, as Kubernetes does.
func parsePrefix(text string) (prefix netip.Prefix, reason string) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Sprintf("%q is not a CIDR such as 10.0.0.0/8 or fd00::/8", text)
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return prefix, fmt.Sprintf("%q mixes IPv4 and IPv6: write the IPv4 CIDR", text)
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), ""
}

// canonicalText returns the text of the prefix, the given one if it is that
// already.
func canonicalText(prefix netip.Prefix, given string) string {
	var buffer [64]byte
	if string(prefix.AppendTo(buffer[:0])) == given {
		return given
	}
	return prefix.String()
}

// canonicalSelector validates as k8s.io/apimachinery's labels.NewRequirement.
func canonicalSelector(object, field string, s abi.Selector) (abi.Selector, error) {
	var canonical abi.Selector
	for i, r := range s.Requirements {
		at := fmt.Sprintf("%s.requirements[%d]", field, i)
		if reason := badLabelKey(r.Key); reason != "" {
			return abi.Selector{}, malformed(object, fmt.Sprintf("%s.key: %q %s", at, r.Key, reason))
		}
		switch r.Operator {
		case abi.In, abi.NotIn:
			if len(r.Values) == 0 {
				return abi.Selector{}, malformed(object, at+".values: In and NotIn need at least one value")
			}
		case abi.Exists, abi.DoesNotExist:
			if len(r.Values) != 0 {
				return abi.Selector{}, malformed(object, at+".values: Exists and DoesNotExist take no values")
			}
		default:
			return abi.Selector{}, malformed(object, fmt.Sprintf("%s.operator: %d is not known: use In (1), NotIn (2), Exists (3) or DoesNotExist (4)", at, r.Operator))
		}
		for k, value := range r.Values {
			if reason := badLabelValue(value); reason != "" {
				return abi.Selector{}, malformed(object, fmt.Sprintf("%s.values[%d]: %q %s", at, k, value, reason))
			}
		}
		canonical.Requirements = append(canonical.Requirements, abi.Requirement{Key: r.Key, Operator: r.Operator, Values: sortedNames(r.Values)})
	}
	slices.SortFunc(canonical.Requirements, func(a, b abi.Requirement) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Operator, b.Operator), slices.Compare(a.Values, b.Values))
	})
	canonical.Requirements = slices.CompactFunc(canonical.Requirements, sameRequirement)
	return canonical, nil
}
