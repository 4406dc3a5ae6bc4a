package abi

// DecodeEventBatch reads a whole batch. Events of a kind that this version does
// not know are left out.
//
// The JSON of events is a part of b, not a copy: it is valid as long as b is
// left alone. Strings are copies. The error is a *DecodeError.
func DecodeEventBatch(b []byte) (*EventBatch, error) {
	batch := &EventBatch{}
	d := newDecoder(b)
	for d.next() {
		switch d.num {
		case 1:
			batch.Sequence = d.uint("sequence", 1<<64-1)
		case 2:
			batch.Reset = d.bool("reset")
		case 3:
			batch.Events = room(&d, batch.Events)
			if e := d.event(); e != nil {
				batch.Events = append(batch.Events, e)
			}
		default:
			d.skip()
		}
	}
	d.leave(d.end, "EventBatch")
	if d.err != nil {
		return nil, d.err
	}
	if len(batch.Events) == 0 {
		batch.Events = nil
	}
	return batch, nil
}

// DecodeBatchHead reads what a module has to know before the first event: the
// batch without its events. It looks into no event.
func DecodeBatchHead(b []byte) (sequence uint64, reset bool, err error) {
	d := newDecoder(b)
	for d.next() {
		switch d.num {
		case 1:
			sequence = d.uint("sequence", 1<<64-1)
		case 2:
			reset = d.bool("reset")
		default:
			d.skip()
		}
	}
	d.leave(d.end, "EventBatch")
	return sequence, reset, d.failed()
}

// DecodeEvents reads the events of a batch one by one, so that a snapshot need
// not be in memory twice. What is said of memory and errors at DecodeEventBatch
// holds here too. An error of yield ends the reading and is returned as it is.
func DecodeEvents(b []byte, yield func(Event) error) error {
	d := newDecoder(b)
	for d.next() {
		if d.num != 3 {
			d.skip()
			continue
		}
		if e := d.event(); e != nil {
			if err := yield(e); err != nil {
				return err
			}
		}
	}
	d.leave(d.end, "EventBatch")
	return d.failed()
}

// event reads one Event; nil when its kind is unknown or missing, or on a
// fault. As everywhere in protobuf, of two kinds the last one wins, and two
// parts of one kind are merged.
func (d *decoder) event() Event {
	var e Event
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m, ok := e.(*Configure)
			if !ok {
				m = &Configure{}
				e = m
			}
			d.configure(m)
		case 2:
			m, ok := e.(*ObjectPut)
			if !ok {
				m = &ObjectPut{}
				e = m
			}
			d.objectPut(m)
		case 3:
			m, ok := e.(*ObjectDelete)
			if !ok {
				m = &ObjectDelete{}
				e = m
			}
			d.objectDelete(m)
		case 4:
			m, ok := e.(*Tick)
			if !ok {
				m = &Tick{}
				e = m
			}
			d.tick(m)
		default:
			d.skip()
		}
	}
	d.leave(outer, "events")
	if d.err != nil {
		return nil
	}
	return e
}

func (d *decoder) configure(m *Configure) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.JSON = d.bytes("json")
		default:
			d.skip()
		}
	}
	d.leave(outer, "configure")
}

func (d *decoder) objectPut(m *ObjectPut) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Resource = d.resource.string(d, "resource")
		case 2:
			m.Namespace = d.namespace.string(d, "namespace")
		case 3:
			m.Name = d.string("name")
		case 4:
			m.UID = d.string("uid")
		case 5:
			m.Generation = d.int64("generation")
		case 6:
			m.JSON = d.bytes("json")
		default:
			d.skip()
		}
	}
	d.leave(outer, "object_put")
}

func (d *decoder) objectDelete(m *ObjectDelete) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.Resource = d.resource.string(d, "resource")
		case 2:
			m.Namespace = d.namespace.string(d, "namespace")
		case 3:
			m.Name = d.string("name")
		case 4:
			m.UID = d.string("uid")
		default:
			d.skip()
		}
	}
	d.leave(outer, "object_delete")
}

func (d *decoder) tick(m *Tick) {
	outer := d.enter()
	for d.next() {
		switch d.num {
		case 1:
			m.UnixNanos = d.int64("unix_nanos")
		default:
			d.skip()
		}
	}
	d.leave(outer, "tick")
}
