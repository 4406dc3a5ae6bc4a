package abi

// AppendEventBatch appends the encoding of batch to b and returns the grown
// slice. It keeps nothing of batch. A nil Event in batch.Events is left out.
func AppendEventBatch(b []byte, batch *EventBatch) []byte {
	b = appendUint(b, 1, batch.Sequence)
	b = appendBool(b, 2, batch.Reset)
	for _, e := range batch.Events {
		b = AppendEvent(b, e)
	}
	return b
}

// AppendEvent appends one event as a field of an EventBatch, so that a batch
// can be written piece by piece: AppendEventBatch without events, then this
// for each of them.
func AppendEvent(b []byte, e Event) []byte {
	if e == nil {
		return b
	}
	b, event := open(b, 3)
	switch e := e.(type) {
	case *Configure:
		var at int
		b, at = open(b, 1)
		b = appendBytes(b, 1, e.JSON)
		b = closed(b, at)
	case *ObjectPut:
		var at int
		b, at = open(b, 2)
		b = appendString(b, 1, e.Resource)
		b = appendString(b, 2, e.Namespace)
		b = appendString(b, 3, e.Name)
		b = appendString(b, 4, e.UID)
		b = appendUint(b, 5, uint64(e.Generation))
		b = appendBytes(b, 6, e.JSON)
		b = closed(b, at)
	case *ObjectDelete:
		var at int
		b, at = open(b, 3)
		b = appendString(b, 1, e.Resource)
		b = appendString(b, 2, e.Namespace)
		b = appendString(b, 3, e.Name)
		b = appendString(b, 4, e.UID)
		b = closed(b, at)
	case *Tick:
		var at int
		b, at = open(b, 4)
		b = appendUint(b, 1, uint64(e.UnixNanos))
		b = closed(b, at)
	}
	return closed(b, event)
}
