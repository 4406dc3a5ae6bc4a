package abi

// AppendRequest appends one request, as a field of a RequestBatch, to b and
// returns the grown slice. A RequestBatch is nothing but such fields one after
// the other. It keeps nothing of r. A nil Request becomes one without a kind,
// which DecodeRequests refuses.
func AppendRequest(b []byte, r Request) []byte {
	b, request := open(b, 1)
	var at int
	switch r := r.(type) {
	case *PutSet:
		b, at = open(b, 1)
		b = appendString(b, 1, r.Name)
		b = appendSetSpec(b, r.Spec)
		b = closed(b, at)
	case *PatchSet:
		b, at = open(b, 2)
		b = appendString(b, 1, r.Name)
		b = appendBlocks(b, 2, r.Add)
		b = appendStrings(b, 3, r.Remove)
		b = closed(b, at)
	case *DeleteSet:
		b = appendNamed(b, 3, r.Name)
	case *PutRule:
		b, at = open(b, 4)
		b = appendString(b, 1, r.Name)
		b = appendRuleSpec(b, 2, &r.Spec)
		b = closed(b, at)
	case *DeleteRule:
		b = appendNamed(b, 5, r.Name)
	case *PutIsolation:
		b, at = open(b, 6)
		b = appendString(b, 1, r.Name)
		b = appendIsolationSpec(b, 2, &r.Spec)
		b = closed(b, at)
	case *DeleteIsolation:
		b = appendNamed(b, 7, r.Name)
	case *Report:
		b, at = open(b, 8)
		b = appendOrigin(b, 1, &r.Object)
		b = appendCondition(b, 2, &r.Condition)
		b = closed(b, at)
	}
	return closed(b, request)
}

func appendNamed(b []byte, field byte, name string) []byte {
	b, at := open(b, field)
	b = appendString(b, 1, name)
	return closed(b, at)
}

func appendSetSpec(b []byte, spec SetSpec) []byte {
	var at int
	switch s := spec.(type) {
	case *Pods:
		b, at = open(b, 2)
		b = appendStrings(b, 1, s.Namespaces)
		if s.NamespaceSelector != nil {
			// Present and empty is "every namespace": it must be written.
			var sel int
			b, sel = open(b, 2)
			b = appendRequirements(b, s.NamespaceSelector)
			b = closed(b, sel)
		}
		b = appendSelector(b, 3, &s.PodSelector)
		b = closed(b, at)
	case *Nodes:
		b, at = open(b, 3)
		b = appendSelector(b, 1, &s.Selector)
		b = closed(b, at)
	case *Addresses:
		b, at = open(b, 4)
		b = appendBlocks(b, 1, s.Blocks)
		b = closed(b, at)
	}
	return b
}

func appendBlocks(b []byte, field byte, blocks []Block) []byte {
	for i := range blocks {
		var at int
		b, at = open(b, field)
		b = appendString(b, 1, blocks[i].CIDR)
		b = appendStrings(b, 2, blocks[i].Except)
		b = closed(b, at)
	}
	return b
}

func appendSelector(b []byte, field byte, s *Selector) []byte {
	b, at := open(b, field)
	b = appendRequirements(b, s)
	return closedUnlessEmpty(b, at)
}

func appendRequirements(b []byte, s *Selector) []byte {
	for i := range s.Requirements {
		r := &s.Requirements[i]
		var at int
		b, at = open(b, 1)
		b = appendString(b, 1, r.Key)
		b = appendUint(b, 2, uint64(r.Operator))
		b = appendStrings(b, 3, r.Values)
		b = closed(b, at)
	}
	return b
}

func appendRuleSpec(b []byte, field byte, r *RuleSpec) []byte {
	b, at := open(b, field)
	b = appendUint(b, 1, uint64(r.Tier))
	b = appendUint(b, 2, uint64(r.Direction))
	b = appendUint(b, 3, uint64(int64(r.Priority)))
	b = appendStrings(b, 4, r.Subjects)
	b = appendStrings(b, 5, r.Peers)
	b = appendBool(b, 6, r.AnyPeer)
	for i := range r.Ports {
		b = appendPort(b, 7, &r.Ports[i])
	}
	b = appendUint(b, 8, uint64(r.Action))
	b = appendBool(b, 9, r.Log)
	b = appendOrigin(b, 10, &r.Origin)
	return closedUnlessEmpty(b, at)
}

func appendIsolationSpec(b []byte, field byte, s *IsolationSpec) []byte {
	b, at := open(b, field)
	b = appendUint(b, 1, uint64(s.Tier))
	b = appendUint(b, 2, uint64(s.Direction))
	b = appendStrings(b, 3, s.Subjects)
	b = appendOrigin(b, 4, &s.Origin)
	return closedUnlessEmpty(b, at)
}

func appendPort(b []byte, field byte, p *Port) []byte {
	b, at := open(b, field)
	b = appendUint(b, 1, uint64(p.Protocol))
	b = appendUint(b, 2, uint64(p.First))
	b = appendUint(b, 3, uint64(p.Last))
	b = appendString(b, 4, p.Name)
	if p.ICMP != nil {
		// Present and empty is "type 0, code 0": it must be written.
		var icmp int
		b, icmp = open(b, 5)
		b = appendUint(b, 1, uint64(p.ICMP.Type))
		b = appendUint(b, 2, uint64(p.ICMP.Code))
		b = appendBool(b, 3, p.ICMP.AnyCode)
		b = closed(b, icmp)
	}
	return closed(b, at)
}

func appendOrigin(b []byte, field byte, o *Origin) []byte {
	b, at := open(b, field)
	b = appendString(b, 1, o.Resource)
	b = appendString(b, 2, o.Namespace)
	b = appendString(b, 3, o.Name)
	b = appendString(b, 4, o.Rule)
	return closedUnlessEmpty(b, at)
}

func appendCondition(b []byte, field byte, c *Condition) []byte {
	b, at := open(b, field)
	b = appendString(b, 1, c.Type)
	b = appendBool(b, 2, c.True)
	b = appendString(b, 3, c.Reason)
	b = appendString(b, 4, c.Message)
	return closedUnlessEmpty(b, at)
}
