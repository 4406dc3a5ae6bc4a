package abi

func (d *decoder) putSet(m *PutSet) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Name = d.string("name")
		case 2:
			s, ok := m.Spec.(*Pods)
			if !ok {
				s = &Pods{}
				m.Spec = s
			}
			d.pods(s)
		case 3:
			s, ok := m.Spec.(*Nodes)
			if !ok {
				s = &Nodes{}
				m.Spec = s
			}
			d.nodes(s)
		case 4:
			s, ok := m.Spec.(*Addresses)
			if !ok {
				s = &Addresses{}
				m.Spec = s
			}
			d.addresses(s)
		default:
			d.skip()
		}
	}
	d.leave(outer, "put_set")
}

func (d *decoder) pods(s *Pods) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			s.Namespaces = append(room(d, s.Namespaces), d.string("namespaces"))
		case 2:
			if s.NamespaceSelector == nil {
				s.NamespaceSelector = &Selector{}
			}
			d.selector(s.NamespaceSelector, "namespace_selector")
		case 3:
			d.selector(&s.PodSelector, "pod_selector")
		default:
			d.skip()
		}
	}
	d.leave(outer, "pods")
}

func (d *decoder) nodes(s *Nodes) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			d.selector(&s.Selector, "selector")
		default:
			d.skip()
		}
	}
	d.leave(outer, "nodes")
}

func (d *decoder) addresses(s *Addresses) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			s.Blocks = append(room(d, s.Blocks), Block{})
			d.block(&s.Blocks[len(s.Blocks)-1], "blocks")
		default:
			d.skip()
		}
	}
	d.leave(outer, "addresses")
}

func (d *decoder) block(m *Block, field string) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.CIDR = d.string("cidr")
		case 2:
			m.Except = append(room(d, m.Except), d.string("except"))
		default:
			d.skip()
		}
	}
	d.leave(outer, field)
}

func (d *decoder) selector(s *Selector, field string) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			s.Requirements = append(room(d, s.Requirements), Requirement{})
			d.requirement(&s.Requirements[len(s.Requirements)-1])
		default:
			d.skip()
		}
	}
	d.leave(outer, field)
}

func (d *decoder) requirement(r *Requirement) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			r.Key = d.string("key")
		case 2:
			r.Operator = Operator(d.uint("operator", uint64(DoesNotExist)))
		case 3:
			r.Values = append(room(d, r.Values), d.string("values"))
		default:
			d.skip()
		}
	}
	d.leave(outer, "requirements")
}
