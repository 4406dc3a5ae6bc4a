package openflow

import (
	"fmt"
	"slices"
)

// ChangeGroups does to a table of groups, by id, what the modification does to
// that of a switch; ok is false if it is not about groups. It is for simulators: what
// would be refused is an error, and changes nothing.
func (m Mod) ChangeGroups(groups map[uint32]GroupEntry) (ok bool, err error) {
	if m.kind != modGroup {
		return false, nil
	}
	g := m.group.group
	now, there := groups[g.ID]
	switch command := m.group.command; {
	case command == groupDelete && g.ID == groupAllIDs:
		clear(groups)
		return true, nil
	case command == groupDelete:
		delete(groups, g.ID)
		return true, nil
	case command == groupAdd && there:
		return true, fmt.Errorf("%s: %w", m, ErrGroupExists)
	case command == groupAdd, command == groupPut, command == groupModify && there:
		groups[g.ID] = g
		return true, nil
	case !there:
		return true, fmt.Errorf("%s: %w", m, ErrUnknownGroup)
	case command == groupInsert:
		now.Buckets, err = insertBuckets(now.Buckets, m.group.bucket, g.Buckets)
	default:
		now.Buckets, err = removeBucket(now.Buckets, m.group.bucket)
	}
	if err != nil {
		return true, fmt.Errorf("%s: %w", m, err)
	}
	groups[g.ID] = now
	return true, nil
}

func insertBuckets(have []Bucket, after uint32, more []Bucket) ([]Bucket, error) {
	numbers := map[uint32]struct{}{}
	for _, k := range have {
		numbers[k.ID] = struct{}{}
	}
	for _, k := range more {
		if _, taken := numbers[k.ID]; taken {
			return nil, fmt.Errorf("there is a bucket %d already", k.ID)
		}
	}
	at := len(have)
	switch after {
	case BucketFirst:
		at = 0
	case BucketLast:
	default:
		if at = bucketIndex(have, after) + 1; at == 0 {
			return nil, fmt.Errorf("there is no bucket %d", after)
		}
	}
	return slices.Insert(slices.Clone(have), at, more...), nil
}

func removeBucket(have []Bucket, id uint32) ([]Bucket, error) {
	at := bucketIndex(have, id)
	switch {
	case id == BucketAll, id == BucketFirst && len(have) == 0, id == BucketLast && len(have) == 0:
		return nil, nil
	case id == BucketFirst:
		at = 0
	case id == BucketLast:
		at = len(have) - 1
	case at < 0:
		return nil, fmt.Errorf("there is no bucket %d", id)
	}
	return slices.Delete(slices.Clone(have), at, at+1), nil
}

func bucketIndex(have []Bucket, id uint32) int {
	return slices.IndexFunc(have, func(k Bucket) bool { return k.ID == id })
}

// DeletesWhere is the filter of the flows that the modification deletes; ok is false for
// modifications of another kind.
func (m Mod) DeletesWhere() (filter FlowFilter, ok bool) { return m.filter, m.kind == modDelete }

// Selects says whether the filter selects a flow, as far as table and cookie say;
// ok is false if it also looks at the match or at ports.
func (f FlowFilter) Selects(flow Flow) (selected, ok bool) {
	if !f.Match.IsZero() || f.OutPort != 0 {
		return false, false
	}
	return (f.Table == 0 || f.Table == InTable(flow.Table)) && (flow.Cookie^f.Cookie)&f.CookieMask == 0, true
}
