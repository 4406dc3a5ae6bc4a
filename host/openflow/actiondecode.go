package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

var errShortAction = errors.New("too short for its type")

// checkActions verifies the framing of a list of actions, so that it can be cut into actions.
func checkActions(wire []byte) error {
	for offset := 0; offset < len(wire); {
		n, err := actionLength(wire[offset:])
		if err != nil {
			return fmt.Errorf("action at byte %d: %w", offset, err)
		}
		offset += n
	}
	return nil
}

func actionLength(wire []byte) (int, error) {
	if len(wire) < 8 {
		return 0, fmt.Errorf("%d bytes are left, an action has at least 8", len(wire))
	}
	n := int(binary.BigEndian.Uint16(wire[2:]))
	if n < 8 || n%8 != 0 || n > len(wire) {
		return 0, fmt.Errorf("length %d is not a multiple of 8 from 8 to %d", n, len(wire))
	}
	return n, nil
}

func decodeActions(wire []byte) ([]Action, error) {
	var actions []Action
	for offset := 0; offset < len(wire); {
		n, err := actionLength(wire[offset:])
		if err == nil {
			var a Action
			if a, err = decodeAction(wire[offset : offset+n]); err == nil {
				actions = append(actions, a)
			}
		}
		if err != nil {
			return actions, fmt.Errorf("action at byte %d: %w", offset, err)
		}
		offset += n
	}
	return actions, nil
}

// decodeAction reads one action; wire has at least 8 bytes, and a multiple of 8.
func decodeAction(wire []byte) (Action, error) {
	be := binary.BigEndian
	switch be.Uint16(wire) {
	case actOutput:
		if len(wire) < 16 {
			return nil, errShortAction
		}
		return OutputAction{Port: be.Uint32(wire[4:]), MaxLen: be.Uint16(wire[8:])}, nil
	case actGroup:
		return GroupAction{be.Uint32(wire[4:])}, nil
	case actMeter:
		return MeterAction{be.Uint32(wire[4:])}, nil
	case actDecTTL:
		return DecTTLAction{}, nil
	case actPushVLAN:
		return PushVLANAction{be.Uint16(wire[4:])}, nil
	case actPopVLAN:
		return PopVLANAction{}, nil
	case actSetField:
		c, _, err := decodeClause(wire[4:])
		if err != nil {
			return nil, err
		}
		return SetFieldAction{c}, nil
	case actCopyField:
		return decodeMove(wire)
	case actExperiment:
		if len(wire) < 16 {
			return nil, errShortAction
		}
		if be.Uint32(wire[4:]) == niciraID {
			return decodeNicira(wire)
		}
	}
	return unknownAction(wire), nil
}

func unknownAction(wire []byte) Action { return UnknownAction{append([]byte(nil), wire...)} }

func decodeMove(wire []byte) (Action, error) {
	be := binary.BigEndian
	if len(wire) < 20 {
		return nil, errShortAction
	}
	src, dst := fieldOf(be.Uint32(wire[12:])), fieldOf(be.Uint32(wire[16:]))
	if src == unknownField || dst == unknownField {
		return unknownAction(wire), nil
	}
	bits := int(be.Uint16(wire[4:]))
	return MoveAction{
		Src: Subfield{src, int(be.Uint16(wire[6:])), bits},
		Dst: Subfield{dst, int(be.Uint16(wire[8:])), bits},
	}, nil
}

// decodeNicira reads one of Nicira's actions; wire has at least 16 bytes.
func decodeNicira(wire []byte) (Action, error) {
	be := binary.BigEndian
	switch be.Uint16(wire[8:]) {
	case nxResubmitTo:
		return ResubmitAction{InPort: be.Uint16(wire[10:]), Table: wire[12]}, nil
	case nxResubmitToCT:
		return ResubmitAction{InPort: be.Uint16(wire[10:]), Table: wire[12], CT: true}, nil
	case nxExit:
		return ExitAction{}, nil
	case nxCTClear:
		return CTClearAction{}, nil
	case nxConjunction:
		return ConjunctionAction{be.Uint32(wire[12:]), wire[10] + 1, wire[11]}, nil
	case nxNote:
		data := wire[10:]
		for len(data) > 0 && data[len(data)-1] == 0 {
			data = data[:len(data)-1]
		}
		return NoteAction{append([]byte(nil), data...)}, nil
	case nxController:
		return Controller{MaxLen: be.Uint16(wire[10:]), ControllerID: be.Uint16(wire[12:]), Reason: reasonFromWire(wire[14])}, nil
	case nxController2:
		return decodeController2(wire)
	case nxClone:
		actions, err := decodeActions(wire[16:])
		return Clone{actions}, err
	case nxCT:
		return decodeCT(wire)
	case nxLearn:
		return decodeLearn(wire)
	case nxCheckLarger:
		return decodeCheckPktLarger(wire)
	case nxOutputReg, nxStackPush, nxStackPop:
		return decodeWithSubfield(wire)
	}
	return unknownAction(wire), nil
}

// decodeWithSubfield reads the Nicira actions of 24 bytes that name bits of a field.
func decodeWithSubfield(wire []byte) (Action, error) {
	be := binary.BigEndian
	if len(wire) < 24 {
		return nil, errShortAction
	}
	field := fieldOf(be.Uint32(wire[12:]))
	switch subtype := be.Uint16(wire[8:]); {
	case field == unknownField:
		return unknownAction(wire), nil
	case subtype == nxOutputReg:
		return OutputFieldAction{Port: unpackOfsNBits(field, be.Uint16(wire[10:])), MaxLen: be.Uint16(wire[16:])}, nil
	default:
		return StackAction{Pop: subtype == nxStackPop, Subfield: Subfield{field, int(be.Uint16(wire[10:])), int(be.Uint16(wire[16:]))}}, nil
	}
}

func decodeCheckPktLarger(wire []byte) (Action, error) {
	be := binary.BigEndian
	if len(wire) < 24 {
		return nil, errShortAction
	}
	bit := Subfield{fieldOf(be.Uint32(wire[14:])), int(be.Uint16(wire[12:])), 1}
	if !bit.valid() {
		return unknownAction(wire), nil
	}
	return CheckPktLargerAction{be.Uint16(wire[10:]), bit}, nil
}

func decodeController2(wire []byte) (Action, error) {
	be := binary.BigEndian
	a := Controller{MaxLen: 0xffff, Reason: ReasonAction}
	for rest := wire[16:]; len(rest) > 0; {
		kind, value, n, err := property(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
		switch {
		case kind == propMaxLen && len(value) >= 2:
			a.MaxLen = be.Uint16(value)
		case kind == propControllerID && len(value) >= 2:
			a.ControllerID = be.Uint16(value)
		case kind == propReason && len(value) == 1:
			a.Reason = reasonFromWire(value[0])
		case kind == propUserData:
			a.UserData = append([]byte(nil), value...)
		case kind == propMeterID && len(value) == 4:
			a.MeterID = be.Uint32(value)
		default:
			return unknownAction(wire), nil
		}
	}
	return a, nil
}

// property reads one property: type, value without padding, and length with padding.
func property(wire []byte) (kind uint16, value []byte, length int, err error) {
	if len(wire) < 4 {
		return 0, nil, 0, fmt.Errorf("%d bytes are left, a property has at least 4", len(wire))
	}
	kind, n := binary.BigEndian.Uint16(wire), int(binary.BigEndian.Uint16(wire[2:]))
	length = (n + 7) / 8 * 8
	if n < 4 || length > len(wire) {
		return 0, nil, 0, fmt.Errorf("property %d has length %d, not 4 to %d", kind, n, len(wire))
	}
	return kind, wire[4:n], length, nil
}

func decodeCT(wire []byte) (Action, error) {
	be := binary.BigEndian
	if len(wire) < 24 {
		return nil, errShortAction
	}
	flags := be.Uint16(wire[10:])
	a := CT{Commit: flags&ctCommit != 0, Force: flags&ctForce != 0, Table: wire[18], ALG: be.Uint16(wire[22:])}
	if source := be.Uint32(wire[12:]); source == 0 {
		a.Zone = be.Uint16(wire[16:])
	} else if a.ZoneField = unpackOfsNBits(fieldOf(source), be.Uint16(wire[16:])); !a.ZoneField.valid() {
		return unknownAction(wire), nil
	}
	nested := wire[24:]
	if len(nested) >= 16 && be.Uint16(nested) == actExperiment && be.Uint32(nested[4:]) == niciraID && be.Uint16(nested[8:]) == nxNAT {
		n, err := actionLength(nested)
		if err != nil {
			return nil, fmt.Errorf("nat: %w", err)
		}
		nat, err := decodeNAT(nested[:n])
		if err != nil {
			return nil, fmt.Errorf("nat: %w", err)
		}
		if !nat.validRange() {
			return unknownAction(wire), nil
		}
		a.NAT, nested = &nat, nested[n:]
	}
	var err error
	if a.Exec, err = decodeActions(nested); err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	return a, nil
}

func decodeNAT(wire []byte) (n NAT, err error) {
	if len(wire) < 16 {
		return n, errShortAction
	}
	flags, present := binary.BigEndian.Uint16(wire[12:]), binary.BigEndian.Uint16(wire[14:])
	n = NAT{
		Source: flags&natSource != 0, Destination: flags&natDestination != 0,
		Persistent: flags&natPersistent != 0, Hash: flags&natHash != 0, Random: flags&natRandom != 0,
	}
	rest := wire[16:]
	take := func(bit uint16, size int) []byte {
		if present&bit == 0 || err != nil {
			return nil
		}
		if len(rest) < size {
			err = errShortAction
			return nil
		}
		part := rest[:size]
		rest = rest[size:]
		return part
	}
	addr := func(bit uint16, size int, to *netip.Addr) {
		if a, ok := netip.AddrFromSlice(take(bit, size)); ok {
			*to = a
		}
	}
	addr(natIPv4Min, 4, &n.Min)
	addr(natIPv4Max, 4, &n.Max)
	addr(natIPv6Min, 16, &n.Min)
	addr(natIPv6Max, 16, &n.Max)
	n.MinPort = uint16(number(take(natPortMin, 2)))
	n.MaxPort = uint16(number(take(natPortMax, 2)))
	return n, err
}

func decodeLearn(wire []byte) (Action, error) {
	be := binary.BigEndian
	if len(wire) < 32 {
		return nil, errShortAction
	}
	flags := be.Uint16(wire[24:])
	a := Learn{
		IdleTimeout: be.Uint16(wire[10:]), HardTimeout: be.Uint16(wire[12:]), Priority: be.Uint16(wire[14:]),
		Cookie: be.Uint64(wire[16:]), Table: wire[26],
		SendFlowRemoved: flags&learnSendRemove != 0, DeleteLearned: flags&learnDelete != 0,
		FinIdleTimeout: be.Uint16(wire[28:]), FinHardTimeout: be.Uint16(wire[30:]),
	}
	for rest := wire[32:]; len(rest) >= 2 && be.Uint16(rest) != 0; {
		spec, n, known := decodeLearnSpec(rest)
		if n == 0 {
			return nil, fmt.Errorf("learn: %w", errShortAction)
		}
		if !known {
			return unknownAction(wire), nil
		}
		a.Specs = append(a.Specs, spec)
		rest = rest[n:]
	}
	return a, nil
}

// decodeLearnSpec reads one spec and says how long it was, 0 if there is too little of it.
func decodeLearnSpec(wire []byte) (s LearnSpec, n int, known bool) {
	header := binary.BigEndian.Uint16(wire)
	bits := int(header & learnBitsMask)
	s.kind = learnKind(header) & learnKindMask
	n = 2
	if s.kind&learnConstant != 0 {
		size := (bits + 15) / 16 * 2
		if len(wire) < n+size {
			return s, 0, false
		}
		s.value = append([]byte(nil), wire[n:n+size]...)
		n += size
	} else if !takeSubfield(wire, &n, bits, &s.from) {
		return s, 0, false
	}
	if s.kind&learnToOutput == 0 && !takeSubfield(wire, &n, bits, &s.to) {
		return s, 0, false
	}
	constantOutput := s.kind&learnToOutput != 0 && s.kind != learnToOutput
	known = !constantOutput &&
		(s.kind&learnConstant != 0 || s.from.Field != unknownField) &&
		(s.kind&learnToOutput != 0 || s.to.Field != unknownField)
	return s, n, known
}

func takeSubfield(wire []byte, n *int, bits int, to *Subfield) bool {
	if len(wire) < *n+6 {
		return false
	}
	*to = Subfield{fieldOf(binary.BigEndian.Uint32(wire[*n:])), int(binary.BigEndian.Uint16(wire[*n+4:])), bits}
	*n += 6
	return true
}
