package inventory

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// blockTable knows every prefix that an acquired set names, and in which sets
// the addresses are whose longest such prefix it is.
type blockTable struct {
	four, six *trieNode
	byMembers map[string]*addressBlock // by the ordinals of the sets
	byID      map[BlockID]*addressBlock
	path      []tally // of the walk: the sets around a prefix, ordered by ordinal
	scratch   []byte
}

// addressBlock is all prefixes that lie in exactly these sets.
type addressBlock struct {
	id      BlockID
	members string
	sets    []*set
	refs    int
}

// tally counts the blocks of a set that contain a prefix.
type tally struct {
	set *set
	n   int32
}

func (t *blockTable) init() {
	t.byMembers = make(map[string]*addressBlock)
	t.byID = make(map[BlockID]*addressBlock)
}

// mark enters (sign +1) or takes out (sign -1) blocks of a set.
func (t *blockTable) mark(s *set, blocks []block, sign int32) {
	for _, b := range blocks {
		t.markPrefix(s, b.cidr, sign, 0)
		for _, except := range b.excepts {
			t.markPrefix(s, except, 0, sign)
		}
	}
}

func (t *blockTable) markAddrs(s *set, addrs []netip.Addr, sign int32) {
	for _, addr := range addrs {
		t.markPrefix(s, netip.PrefixFrom(addr, addr.BitLen()), sign, 0)
	}
}

func (t *blockTable) markPrefix(s *set, p netip.Prefix, begins, excepts int32) {
	root := &t.six
	if p.Addr().Is4() {
		root = &t.four
	}
	hi, lo, length := place(p)
	n := find(root, hi, lo, length, movedBelow|changedBelow)
	n.state |= moved | changed
	i := slices.IndexFunc(n.marks, func(m mark) bool { return m.set == s })
	if i < 0 {
		i = len(n.marks)
		n.marks = append(n.marks, mark{set: s})
	}
	m := &n.marks[i]
	m.begins += begins
	m.excepts += excepts
	if m.begins == 0 && m.excepts == 0 {
		n.marks = slices.Delete(n.marks, i, i+1)
		if len(n.marks) == 0 {
			n.marks = nil
		}
	}
}

// settle numbers the prefixes that were marked, and those nested in them.
func (t *blockTable) settle(j *journal) {
	for _, root := range []*trieNode{t.four, t.six} {
		if root != nil && root.state&(moved|movedBelow) != 0 {
			t.path = t.path[:0]
			t.number(root, false, j)
		}
	}
}

// number walks to the moved nodes; below a moved one it visits all.
func (t *blockTable) number(n *trieNode, all bool, j *journal) {
	all = all || n.state&moved != 0
	if !all && n.state&movedBelow == 0 {
		return
	}
	n.state &^= moved | movedBelow
	begin := len(t.path)
	around := t.path
	if len(n.marks) > 0 {
		t.enter(n.marks)
	}
	if all {
		t.assign(n, j)
	}
	for _, kid := range n.kids {
		if kid == nil {
			continue
		}
		t.number(kid, all, j)
		if kid.state&(changed|changedBelow) != 0 {
			n.state |= changedBelow
		}
	}
	t.path = around[:begin]
}

// enter makes t.path what it is inside a prefix with these marks. What was
// around is left as it is for the walk back.
func (t *blockTable) enter(marks []mark) {
	inside := make([]tally, 0, len(t.path)+len(marks))
	inside = append(inside, t.path...)
	for _, m := range marks {
		i, found := slices.BinarySearchFunc(inside, m.set.ordinal, func(a tally, ordinal uint32) int { return cmp.Compare(a.set.ordinal, ordinal) })
		if !found {
			inside = slices.Insert(inside, i, tally{set: m.set})
		}
		inside[i].n += m.begins - m.excepts
	}
	t.path = inside
}

// assign gives a node the block of the sets that t.path counts.
func (t *blockTable) assign(n *trieNode, j *journal) {
	old := n.block
	if len(n.marks) == 0 {
		n.block = nil
	} else {
		n.block = t.blockOf(t.path, j)
		n.block.refs++
	}
	if n.block.number() != n.reported {
		n.state |= changed
	}
	if old == nil {
		return
	}
	if old.refs--; old.refs == 0 {
		for _, s := range old.sets {
			delete(s.blocks, old.id)
			j.block(s, old.id)
		}
		delete(t.byMembers, old.members)
		delete(t.byID, old.id)
	}
}

func (b *addressBlock) number() BlockID {
	if b == nil {
		return 0
	}
	return b.id
}

func (t *blockTable) blockOf(path []tally, j *journal) *addressBlock {
	t.scratch = t.scratch[:0]
	for _, a := range path {
		if a.n > 0 {
			t.scratch = binary.BigEndian.AppendUint32(t.scratch, a.set.ordinal)
		}
	}
	if b := t.byMembers[string(t.scratch)]; b != nil {
		return b
	}
	b := &addressBlock{members: string(t.scratch)}
	for _, a := range path {
		if a.n > 0 {
			b.sets = append(b.sets, a.set)
		}
	}
	slices.SortFunc(b.sets, func(a, b *set) int { return a.key.Compare(b.key) })
	var text []byte
	for _, s := range b.sets {
		text = appendText(appendText(text, s.key.Module), s.key.Name)
	}
	b.id = BlockID(freeID(string(text), func(id uint32) bool { return t.byID[BlockID(id)] != nil }))
	t.byMembers[b.members] = b
	t.byID[b.id] = b
	for _, s := range b.sets {
		s.blocks[b.id] = struct{}{}
		j.block(s, b.id)
	}
	return b
}

// flush reports what changed, ordered by prefix, and cuts off what is no
// longer named.
func (t *blockTable) flush() []BlockChange {
	var changes []BlockChange
	t.four = report(t.four, true, &changes)
	t.six = report(t.six, false, &changes)
	return changes
}

func report(n *trieNode, four bool, changes *[]BlockChange) *trieNode {
	if n == nil || n.state&(changed|changedBelow) == 0 {
		return n
	}
	if now := n.block.number(); n.state&changed != 0 && now != n.reported {
		*changes = append(*changes, BlockChange{n.prefix(four), now})
		n.reported = now
	}
	n.state &^= changed | changedBelow
	for i, kid := range n.kids {
		n.kids[i] = report(kid, four, changes)
	}
	switch {
	case len(n.marks) > 0 || n.kids[0] != nil && n.kids[1] != nil:
		return n
	case n.kids[0] != nil:
		return n.kids[0]
	}
	return n.kids[1]
}

// BlockOf returns the block of the longest named prefix that contains the
// address, 0 if none does.
func (inv *Inventory) BlockOf(addr netip.Addr) BlockID {
	inv.settle()
	addr = normalise(addr)
	n := inv.blocks.six
	if addr.Is4() {
		n = inv.blocks.four
	}
	hi, lo, length := place(netip.PrefixFrom(addr, addr.BitLen()))
	var id BlockID
	for n != nil && n.length <= length && common(hi, lo, n.hi, n.lo, n.length) == n.length {
		if n.block != nil {
			id = n.block.id
		}
		if n.length == length {
			break
		}
		n = n.kids[bit(hi, lo, n.length)]
	}
	return id
}
