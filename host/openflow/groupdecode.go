package openflow

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// decodeGroups reads the body of a part of a group description reply.
func decodeGroups(body []byte, groups []GroupEntry) ([]GroupEntry, error) {
	for len(body) > 0 {
		g, n, err := decodeGroup(body)
		if err != nil {
			return groups, fmt.Errorf("group number %d of the reply: %w", len(groups), err)
		}
		groups = append(groups, g)
		body = body[n:]
	}
	return groups, nil
}

func decodeGroup(wire []byte) (g GroupEntry, length int, err error) {
	be := binary.BigEndian
	if len(wire) < 16 {
		return g, 0, fmt.Errorf("%d bytes are left, needs at least 16", len(wire))
	}
	length, bucketsLen := int(be.Uint16(wire)), int(be.Uint16(wire[8:]))
	if length < 16+bucketsLen || length > len(wire) {
		return g, 0, fmt.Errorf("length %d with %d bytes of buckets, %d bytes are left", length, bucketsLen, len(wire))
	}
	g = GroupEntry{ID: be.Uint32(wire[4:]), Type: GroupType(wire[2])}
	for rest := wire[16 : 16+bucketsLen]; len(rest) > 0; {
		bucket, n, err := decodeBucket(rest)
		if err != nil {
			return g, 0, fmt.Errorf("bucket number %d of group %d: %w", len(g.Buckets), g.ID, err)
		}
		g.Buckets = append(g.Buckets, bucket)
		rest = rest[n:]
	}
	for rest := wire[16+bucketsLen : length]; len(rest) > 0; {
		kind, value, n, err := property(rest)
		if err != nil {
			return g, 0, fmt.Errorf("group %d: %w", g.ID, err)
		}
		if kind == groupSelector && len(value) >= 36 && be.Uint32(value) == netronomeID && be.Uint32(value[4:]) == netronomePick {
			method, _, _ := bytes.Cut(value[12:28], []byte{0})
			fields, err := decodeFields(value[36:])
			if err != nil {
				return g, 0, fmt.Errorf("group %d: %w", g.ID, err)
			}
			g.Selection = Selection{Method: string(method), Param: be.Uint64(value[28:]), Fields: fields}
		}
		rest = rest[n:]
	}
	return g, length, nil
}

func decodeBucket(wire []byte) (k Bucket, length int, err error) {
	be := binary.BigEndian
	if len(wire) < 8 {
		return k, 0, fmt.Errorf("%d bytes are left, needs at least 8", len(wire))
	}
	length, actionsLen := int(be.Uint16(wire)), int(be.Uint16(wire[2:]))
	if length < 8+actionsLen || length > len(wire) {
		return k, 0, fmt.Errorf("length %d with %d bytes of actions, %d bytes are left", length, actionsLen, len(wire))
	}
	k.ID = be.Uint32(wire[4:])
	actions := wire[8 : 8+actionsLen]
	if err := checkActions(actions); err != nil {
		return k, 0, err
	}
	k.Actions = Actions{string(actions)}
	for rest := wire[8+actionsLen : length]; len(rest) > 0; {
		kind, value, n, err := property(rest)
		if err != nil {
			return k, 0, err
		}
		switch {
		case kind == bucketWeight && len(value) >= 2:
			k.Weight = be.Uint16(value)
		case kind == bucketPort && len(value) == 4 && be.Uint32(value) != PortAny:
			k.WatchPort = be.Uint32(value)
		case kind == bucketGroup && len(value) == 4 && be.Uint32(value) != groupAny:
			k.WatchGroup = be.Uint32(value)
		}
		rest = rest[n:]
	}
	return k, length, nil
}
