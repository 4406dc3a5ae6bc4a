package abi

func (d *decoder) ruleSpec(r *RuleSpec) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			r.Tier = Tier(d.uint("tier", uint64(Baseline)))
		case 2:
			r.Direction = Direction(d.uint("direction", uint64(Egress)))
		case 3:
			r.Priority = d.int32("priority")
		case 4:
			r.Subjects = append(room(d, r.Subjects), d.string("subjects"))
		case 5:
			r.Peers = append(room(d, r.Peers), d.string("peers"))
		case 6:
			r.AnyPeer = d.bool("any_peer")
		case 7:
			r.Ports = append(room(d, r.Ports), Port{})
			d.port(&r.Ports[len(r.Ports)-1])
		case 8:
			r.Action = Action(d.uint("action", uint64(Pass)))
		case 9:
			r.Log = d.bool("log")
		case 10:
			d.origin(&r.Origin, "origin")
		default:
			d.skip()
		}
	}
	d.leave(outer, "rule")
}

func (d *decoder) isolationSpec(s *IsolationSpec) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			s.Tier = Tier(d.uint("tier", uint64(Baseline)))
		case 2:
			s.Direction = Direction(d.uint("direction", uint64(Egress)))
		case 3:
			s.Subjects = append(room(d, s.Subjects), d.string("subjects"))
		case 4:
			d.origin(&s.Origin, "origin")
		default:
			d.skip()
		}
	}
	d.leave(outer, "isolation")
}

func (d *decoder) port(p *Port) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			p.Protocol = Protocol(d.uint("protocol", 1<<8-1))
		case 2:
			p.First = uint16(d.uint("first", 1<<16-1))
		case 3:
			p.Last = uint16(d.uint("last", 1<<16-1))
		case 4:
			p.Name = d.string("name")
		case 5:
			if p.ICMP == nil {
				p.ICMP = &ICMPKind{}
			}
			d.icmp(p.ICMP)
		default:
			d.skip()
		}
	}
	d.leave(outer, "ports")
}

func (d *decoder) icmp(k *ICMPKind) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			k.Type = uint8(d.uint("type", 1<<8-1))
		case 2:
			k.Code = uint8(d.uint("code", 1<<8-1))
		case 3:
			k.AnyCode = d.bool("any_code")
		default:
			d.skip()
		}
	}
	d.leave(outer, "icmp")
}

func (d *decoder) origin(o *Origin, field string) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			o.Resource = d.string("resource")
		case 2:
			o.Namespace = d.string("namespace")
		case 3:
			o.Name = d.string("name")
		case 4:
			o.Rule = d.string("rule")
		default:
			d.skip()
		}
	}
	d.leave(outer, field)
}

func (d *decoder) condition(c *Condition) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			c.Type = d.string("type")
		case 2:
			c.True = d.bool("status")
		case 3:
			c.Reason = d.string("reason")
		case 4:
			c.Message = d.string("message")
		default:
			d.skip()
		}
	}
	d.leave(outer, "condition")
}
