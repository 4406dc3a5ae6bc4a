package cow

import (
	"hash/maphash"
	"iter"
	"maps"
)

// shardsPerPage is how many shards one page of the directory points to, and
// entriesPerShard how many entries a shard holds on average before the number
// of shards is doubled. A write after a snapshot copies one directory (one
// pointer per shardsPerPage*entriesPerShard entries), one page and one shard.
const (
	shardsPerPage   = 32
	entriesPerShard = 12
)

// owner marks what a Map may change in place: a page or a shard whose owner
// is another one is shared with a View and is copied first.
type owner struct{ _ byte }

type shard[K comparable, V any] struct {
	own     *owner
	entries map[K]V
}

type page[K comparable, V any] struct {
	own    *owner
	shards [shardsPerPage]*shard[K, V]
}

type table[K comparable, V any] struct {
	seed   maphash.Seed
	pages  []*page[K, V]
	length int
}

// View is an immutable map. The zero View is empty. It may be read by any
// number of goroutines at once.
type View[K comparable, V any] struct {
	t table[K, V]
}

// Map is a map that can be frozen in constant time. It belongs to one
// goroutine. The zero Map is empty and ready.
type Map[K comparable, V any] struct {
	t        table[K, V]
	own      *owner
	dirShare bool // the slice of pages is shared with a View
}

// Len is the number of entries.
func (v View[K, V]) Len() int { return v.t.length }

// Get returns the entry of key.
func (v View[K, V]) Get(key K) (V, bool) { return v.t.get(key) }

// All yields every entry, in no order.
func (v View[K, V]) All() iter.Seq2[K, V] { return v.t.all }

// Edit returns a Map that begins with what the View holds. It costs nothing;
// what it changes later is copied then. The View stays as it is.
func (v View[K, V]) Edit() Map[K, V] {
	return Map[K, V]{t: v.t, own: new(owner), dirShare: true}
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return m.t.length }

// Get returns the entry of key.
func (m *Map[K, V]) Get(key K) (V, bool) { return m.t.get(key) }

// All yields every entry, in no order. The map must not be changed meanwhile.
func (m *Map[K, V]) All() iter.Seq2[K, V] { return m.t.all }

// View freezes what the map holds now, in constant time.
func (m *Map[K, V]) View() View[K, V] {
	m.own = new(owner)
	m.dirShare = true
	return View[K, V]{t: m.t}
}

// Set puts value under key.
func (m *Map[K, V]) Set(key K, value V) {
	if m.t.length >= len(m.t.pages)*shardsPerPage*entriesPerShard {
		m.grow()
	}
	s := m.writable(key)
	before := len(s.entries)
	s.entries[key] = value
	m.t.length += len(s.entries) - before
}

// Delete removes key, if it is there.
func (m *Map[K, V]) Delete(key K) {
	if _, there := m.t.get(key); !there {
		return
	}
	delete(m.writable(key).entries, key)
	m.t.length--
}

func (t *table[K, V]) place(key K) (pageIndex, shardIndex int) {
	h := maphash.Comparable(t.seed, key)
	return int(h/shardsPerPage) & (len(t.pages) - 1), int(h % shardsPerPage)
}

func (t *table[K, V]) get(key K) (V, bool) {
	if t.length == 0 {
		var none V
		return none, false
	}
	pageIndex, shardIndex := t.place(key)
	if s := t.pages[pageIndex].shards[shardIndex]; s != nil {
		value, there := s.entries[key]
		return value, there
	}
	var none V
	return none, false
}

func (t *table[K, V]) all(yield func(K, V) bool) {
	for _, p := range t.pages {
		for _, s := range p.shards {
			if s == nil {
				continue
			}
			for key, value := range s.entries {
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// writable returns the shard of key, copied first if a View may see it.
func (m *Map[K, V]) writable(key K) *shard[K, V] {
	if m.dirShare {
		m.t.pages = append([]*page[K, V](nil), m.t.pages...)
		m.dirShare = false
	}
	pageIndex, shardIndex := m.t.place(key)
	p := m.t.pages[pageIndex]
	if p.own != m.own {
		p = &page[K, V]{own: m.own, shards: p.shards}
		m.t.pages[pageIndex] = p
	}
	s := p.shards[shardIndex]
	switch {
	case s == nil:
		s = &shard[K, V]{own: m.own, entries: make(map[K]V)}
		p.shards[shardIndex] = s
	case s.own != m.own:
		s = &shard[K, V]{own: m.own, entries: maps.Clone(s.entries)}
		p.shards[shardIndex] = s
	}
	return s
}

// grow doubles the number of pages. The cost is spread over the entries that
// came since the last doubling.
func (m *Map[K, V]) grow() {
	if m.own == nil {
		m.own = new(owner)
	}
	old := m.t
	if len(old.pages) == 0 {
		m.t.seed = maphash.MakeSeed()
	}
	m.t.pages = make([]*page[K, V], max(1, 2*len(old.pages)))
	for i := range m.t.pages {
		m.t.pages[i] = &page[K, V]{own: m.own}
	}
	m.dirShare = false
	for key, value := range old.all {
		m.writable(key).entries[key] = value
	}
}
