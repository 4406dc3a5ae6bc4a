package dns

import (
	"net/netip"
	"slices"
	"time"
)

// Bounds of what is remembered. A name beyond them is not learnt, and an address
// beyond them takes the place of the one that would be forgotten next.
const (
	MaxNames            = 20_000
	MaxAddressesPerName = 256
	// MinTTL keeps answers that are not to be kept at all until the client has
	// connected; MaxTTL bounds what a server may ask for.
	MinTTL = 10 * time.Second
	MaxTTL = 24 * time.Hour
)

// Names remembers answers. It belongs to one goroutine.
type Names struct {
	grace time.Duration
	names map[string]map[netip.Addr]time.Time // until when
}

// NewNames remembers an address for grace longer than its answer says: clients
// keep addresses a little longer than they should.
func NewNames(grace time.Duration) *Names {
	return &Names{grace: grace, names: map[string]map[netip.Addr]time.Time{}}
}

// Learn takes an answer and says whether the name has an address that it had not
// before. Refused: there are too many names.
func (n *Names) Learn(a Answer, now time.Time) (changed, refused bool) {
	addrs := n.names[a.Name]
	if addrs == nil {
		if len(n.names) >= MaxNames {
			return false, true
		}
		addrs = map[netip.Addr]time.Time{}
		n.names[a.Name] = addrs
	}
	until := now.Add(min(max(a.TTL, MinTTL), MaxTTL) + n.grace)
	for _, addr := range a.Addrs {
		addr = addr.Unmap()
		old, had := addrs[addr]
		if until.After(old) {
			addrs[addr] = until
		}
		if had {
			continue
		}
		changed = true
		if len(addrs) > MaxAddressesPerName {
			delete(addrs, soonest(addrs, addr))
		}
	}
	return changed, false
}

// soonest is the address that would be forgotten next, spare excepted.
func soonest(addrs map[netip.Addr]time.Time, spare netip.Addr) (first netip.Addr) {
	for a, until := range addrs {
		if a != spare && (!first.IsValid() || until.Before(addrs[first])) {
			first = a
		}
	}
	return first
}

// Due says whether Forget would find something.
func (n *Names) Due(now time.Time) bool {
	for _, addrs := range n.names {
		for _, until := range addrs {
			if !until.After(now) {
				return true
			}
		}
	}
	return false
}

// Forget drops the addresses whose time is over, but not those that inUse says are
// in use: a connection is not cut because a record has expired. It returns the
// names that have changed, sorted.
func (n *Names) Forget(now time.Time, inUse func(netip.Addr) bool) (changed []string) {
	for name, addrs := range n.names {
		some := false
		for addr, until := range addrs {
			if !until.After(now) && !inUse(addr) {
				delete(addrs, addr)
				some = true
			}
		}
		if len(addrs) == 0 {
			delete(n.names, name)
		}
		if some {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// Addresses of a name, sorted; nil: it is not known.
func (n *Names) Addresses(name string) []netip.Addr {
	var out []netip.Addr
	for addr := range n.names[name] {
		out = append(out, addr)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// Len is how many names are known.
func (n *Names) Len() int { return len(n.names) }
