package abi

// DecodeRequests reads a RequestBatch and hands its requests to yield one by
// one. Nothing in a Request points into b, so it may be kept. An error of yield
// ends the reading and is returned as it is; a fault of b is a *DecodeError.
// Requests before the fault have been yielded by then: whoever stages them
// must be able to drop them.
//
// Unlike an unknown event, a request of an unknown kind is a fault: to pass
// over it would put a part of a policy in force.
func DecodeRequests(b []byte, yield func(Request) error) error {
	d := newDecoder(b)
	for d.next() {
		if d.num != 1 {
			d.skip()
			continue
		}
		r := d.request()
		if d.err != nil {
			break
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return d.failed()
}

// DecodeRequest reads a RequestBatch of exactly one request: what one call of
// AppendRequest makes.
func DecodeRequest(b []byte) (Request, error) {
	var only Request
	err := DecodeRequests(b, func(r Request) error {
		if only != nil {
			return &DecodeError{Field: "RequestBatch", Reason: "has more than one request"}
		}
		only = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	if only == nil {
		return nil, &DecodeError{Field: "RequestBatch", Reason: "has no request"}
	}
	return only, nil
}

func (d *decoder) request() Request {
	var r Request
	start := d.tag
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m, ok := r.(*PutSet)
			if !ok {
				m = &PutSet{}
				r = m
			}
			d.putSet(m)
		case 2:
			m, ok := r.(*PatchSet)
			if !ok {
				m = &PatchSet{}
				r = m
			}
			d.patchSet(m)
		case 3:
			m, ok := r.(*DeleteSet)
			if !ok {
				m = &DeleteSet{}
				r = m
			}
			d.named(&m.Name, "delete_set")
		case 4:
			m, ok := r.(*PutRule)
			if !ok {
				m = &PutRule{}
				r = m
			}
			d.putRule(m)
		case 5:
			m, ok := r.(*DeleteRule)
			if !ok {
				m = &DeleteRule{}
				r = m
			}
			d.named(&m.Name, "delete_rule")
		case 6:
			m, ok := r.(*PutIsolation)
			if !ok {
				m = &PutIsolation{}
				r = m
			}
			d.putIsolation(m)
		case 7:
			m, ok := r.(*DeleteIsolation)
			if !ok {
				m = &DeleteIsolation{}
				r = m
			}
			d.named(&m.Name, "delete_isolation")
		case 8:
			m, ok := r.(*Report)
			if !ok {
				m = &Report{}
				r = m
			}
			d.report(m)
		default:
			d.skip()
		}
	}
	if r == nil {
		d.fail(start, "", "no kind of request that this version knows")
	}
	d.leave(outer, "FlowRequest")
	return r
}

func (d *decoder) named(name *string, field string) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			*name = d.string("name")
		default:
			d.skip()
		}
	}
	d.leave(outer, field)
}

func (d *decoder) patchSet(m *PatchSet) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Name = d.string("name")
		case 2:
			m.Add = append(room(d, m.Add), Block{})
			d.block(&m.Add[len(m.Add)-1], "add")
		case 3:
			m.Remove = append(room(d, m.Remove), d.string("remove"))
		default:
			d.skip()
		}
	}
	d.leave(outer, "patch_set")
}

func (d *decoder) putRule(m *PutRule) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Name = d.string("name")
		case 2:
			d.ruleSpec(&m.Spec)
		default:
			d.skip()
		}
	}
	d.leave(outer, "put_rule")
}

func (d *decoder) putIsolation(m *PutIsolation) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Name = d.string("name")
		case 2:
			d.isolationSpec(&m.Spec)
		default:
			d.skip()
		}
	}
	d.leave(outer, "put_isolation")
}

func (d *decoder) report(m *Report) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			d.origin(&m.Object, "object")
		case 2:
			d.condition(&m.Condition)
		default:
			d.skip()
		}
	}
	d.leave(outer, "report")
}
