package openflow

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// GroupEntry is an entry of the group table.
type GroupEntry struct {
	ID        uint32 // up to 0xffffff00
	Type      GroupType
	Selection Selection
	Buckets   []Bucket
}

// GroupType says which buckets of a group get a packet.
type GroupType uint8

// The types of groups.
const (
	GroupAll          GroupType = 0 // all buckets get a copy
	GroupSelect       GroupType = 1 // one of them, see Selection
	GroupIndirect     GroupType = 2 // the only one
	GroupFastFailover GroupType = 3 // the first that is live
)

// Selection is how a GroupSelect chooses. The zero Selection leaves that to Open vSwitch, which hashes addresses and ports.
type Selection struct {
	Method string // "dp_hash" or "hash"; see ovs-ofctl(8)
	Param  uint64
	Fields FieldSet // of "hash" only: what is hashed
}

// Bucket is one list of actions of a group.
type Bucket struct {
	ID         uint32 // unique in the group, up to BucketMax
	Weight     uint16 // share of the packets, of GroupSelect only; 0 gets none
	WatchPort  uint32 // the bucket is live while this port is up; 0 is none
	WatchGroup uint32 // the bucket is live while this group is; 0 is none
	Actions    Actions
}

// Special numbers of buckets.
const (
	BucketMax   uint32 = 0xffffff00
	BucketFirst uint32 = 0xfffffffd // in InsertBucket: before all; in RemoveBucket: the first
	BucketLast  uint32 = 0xfffffffe // in InsertBucket: after all; in RemoveBucket: the last
	BucketAll   uint32 = 0xffffffff // in RemoveBucket
)

// Equal says that two groups are the same in everything.
func (g GroupEntry) Equal(other GroupEntry) bool {
	return g.ID == other.ID && g.Type == other.Type && g.Selection == other.Selection && slices.Equal(g.Buckets, other.Buckets)
}

const (
	groupAny    = 0xffffffff
	groupAllIDs = 0xfffffffc

	bucketWeight  = 0
	bucketPort    = 1
	bucketGroup   = 2
	groupSelector = 0xffff     // a property of an experimenter,
	netronomeID   = 0x0000154d // this one,
	netronomePick = 1          // with this type
	methodLen     = 16
)

// groupMod is the part of a Mod about groups.
type groupMod struct {
	command GroupCommand
	bucket  uint32
	group   GroupEntry
}

// GroupCommand is what a modification does to a group.
type GroupCommand uint16

// The commands (OpenFlow 1.5.1, 7.3.4.3); the last is Open vSwitch's own.
const (
	groupAdd    GroupCommand = 0
	groupModify GroupCommand = 1
	groupDelete GroupCommand = 2
	groupInsert GroupCommand = 3
	groupRemove GroupCommand = 5
	groupPut    GroupCommand = 0x8000
)

func groupMods(command GroupCommand, bucket uint32, g GroupEntry) Mod {
	return Mod{kind: modGroup, group: &groupMod{command, bucket, g}}
}

// AddGroup adds a group. It fails with ErrGroupExists if there is one with its id.
func AddGroup(g GroupEntry) Mod { return groupMods(groupAdd, BucketAll, g) }

// ModifyGroup replaces a group. It fails with ErrUnknownGroup if there is none with its id.
func ModifyGroup(g GroupEntry) Mod { return groupMods(groupModify, BucketAll, g) }

// PutGroup adds or replaces a group. This command is Open vSwitch's own.
func PutGroup(g GroupEntry) Mod { return groupMods(groupPut, BucketAll, g) }

// DeleteGroup deletes a group, and all flows that use it. If there is none, nothing happens.
func DeleteGroup(id uint32) Mod { return groupMods(groupDelete, BucketAll, GroupEntry{ID: id}) }

// DeleteAllGroups deletes all groups, and all flows that use one.
func DeleteAllGroups() Mod { return DeleteGroup(groupAllIDs) }

// InsertBucket adds buckets to a group, behind the bucket with number after, or at BucketFirst or BucketLast.
func InsertBucket(group, after uint32, buckets ...Bucket) Mod {
	return groupMods(groupInsert, after, GroupEntry{ID: group, Type: GroupSelect, Buckets: buckets})
}

// RemoveBucket takes a bucket out of a group, by number or as BucketFirst, BucketLast or BucketAll.
func RemoveBucket(group, bucket uint32) Mod {
	return groupMods(groupRemove, bucket, GroupEntry{ID: group})
}

// String is the modification in ovs-ofctl's syntax, for error messages.
func (m *groupMod) String() string {
	verb := map[GroupCommand]string{
		groupAdd: "add-group", groupModify: "mod-group", groupPut: "--may-create mod-group",
		groupDelete: "del-groups", groupInsert: "insert-buckets", groupRemove: "remove-buckets",
	}[m.command]
	if m.command == groupInsert || m.command == groupRemove {
		return fmt.Sprintf("%s group_id=%d,command_bucket_id=%#x", verb, m.group.ID, m.bucket)
	}
	return verb + " " + m.group.String()
}

// String is the group in ovs-ofctl's syntax.
func (g GroupEntry) String() string {
	names := [...]string{"all", "select", "indirect", "ff"}
	b := fmt.Appendf(nil, "group_id=%d", g.ID)
	if int(g.Type) < len(names) {
		b = fmt.Appendf(b, ",type=%s", names[g.Type])
	}
	if g.Selection.Method != "" {
		b = fmt.Appendf(b, ",selection_method=%s", g.Selection.Method)
		if g.Selection.Param != 0 {
			b = fmt.Appendf(b, ",selection_method_param=%d", g.Selection.Param)
		}
		b = g.Selection.Fields.appendText(b)
	}
	for _, bucket := range g.Buckets {
		b = fmt.Appendf(b, ",bucket=bucket_id:%d", bucket.ID)
		if g.Type == GroupSelect && bucket.Weight != 1 {
			b = fmt.Appendf(b, ",weight:%d", bucket.Weight)
		}
		if bucket.WatchPort != 0 {
			b = appendPort(append(b, ",watch_port:"...), uint64(bucket.WatchPort))
		}
		if bucket.WatchGroup != 0 {
			b = fmt.Appendf(b, ",watch_group:%d", bucket.WatchGroup)
		}
		b = bucket.Actions.appendText(append(b, ",actions="...))
	}
	return string(b)
}

// appendTo writes ofp_group_mod after its header.
func (m *groupMod) appendTo(b []byte) []byte {
	g := &m.group
	b = put32(append(put16(b, uint16(m.command)), byte(g.Type), 0), g.ID)
	lengthAt := len(b)
	b = put32(zeros(b, 4), m.bucket)
	start := len(b)
	for i := range g.Buckets {
		b = g.Buckets[i].appendTo(b, g.Type)
	}
	binary.BigEndian.PutUint16(b[lengthAt:], uint16(len(b)-start))
	return g.Selection.appendTo(b)
}

func (k *Bucket) appendTo(b []byte, kind GroupType) []byte {
	start := len(b)
	b = put32(put16(put16(b, 0), uint16(len(k.Actions.wire))), k.ID)
	b = append(b, k.Actions.wire...)
	if kind == GroupSelect || k.Weight != 0 {
		b = appendShort(b, bucketWeight, k.Weight)
	}
	if k.WatchPort != 0 {
		b = put32(put16(put16(b, bucketPort), 8), k.WatchPort)
	}
	if k.WatchGroup != 0 {
		b = put32(put16(put16(b, bucketGroup), 8), k.WatchGroup)
	}
	binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func (s *Selection) appendTo(b []byte) []byte {
	if s.Method == "" {
		return b
	}
	var method [methodLen]byte
	copy(method[:methodLen-1], s.Method)
	start := len(b)
	b = put32(put16(put16(b, groupSelector), uint16(40+len(s.Fields.oxm))), netronomeID)
	b = append(put32(put32(b, netronomePick), 0), method[:]...)
	return pad8(append(put64(b, s.Param), s.Fields.oxm...), start)
}
