package openflow

// Flow is the flow that a packet teaches, whose fields read tells in network order.
// It is for simulators, and knows specs about whole fields only.
func (a Learn) Flow(read func(Field) []byte) Flow {
	var clauses []Clause
	var actions []Action
	for _, s := range a.Specs {
		size := int(s.to.Field.info().size)
		value := s.value
		if s.kind&learnConstant == 0 {
			value = read(s.from.Field)
		}
		clause := s.to.Field.Bytes(fitted(value, size), nil)
		if s.kind&learnKindMask == learnToMatch {
			clauses = append(clauses, clause)
		} else {
			actions = append(actions, SetField(clause))
		}
	}
	return Flow{
		Table: a.Table, Priority: a.Priority, Cookie: a.Cookie, IdleTimeout: a.IdleTimeout, HardTimeout: a.HardTimeout,
		Match: MatchOf(clauses...), Actions: Do(actions...),
	}
}

// fitted is a number of any length as one of size bytes.
func fitted(number []byte, size int) []byte {
	out := make([]byte, size)
	for i := 1; i <= min(size, len(number)); i++ {
		out[size-i] = number[len(number)-i]
	}
	return out
}
