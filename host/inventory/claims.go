package inventory

import (
	"net/netip"
	"slices"
)

// moveClaims gives up what old claimed and next does not, claims what is new,
// and makes next the record that its addresses lead to.
func (inv *Inventory) moveClaims(old, next *pod) {
	before, after := old.claims(), next.claims()
	anew := old == nil || next == nil || old.identity != next.identity && old.known && next.known ||
		(old.attachment == nil) != (next.attachment == nil)
	for _, addr := range before {
		if anew || !slices.Contains(after, addr) {
			inv.release(addr, old.key())
		}
	}
	for _, addr := range after {
		if anew || !slices.Contains(before, addr) {
			inv.claim(addr, next)
		} else if owner, _ := inv.owners.Get(addr); owner == old {
			inv.setOwner(addr, next)
		}
	}
}

// claim adds the Pod to the owners of the address.
func (inv *Inventory) claim(addr netip.Addr, p *pod) {
	owner, owned := inv.owners.Get(addr)
	if !owned {
		inv.setOwner(addr, p)
		return
	}
	claimants := inv.contested[addr]
	if claimants == nil {
		claimants = []podKey{owner.key()}
	}
	inv.contested[addr] = append(claimants, p.key())
	if p.attachment != nil || owner.attachment == nil {
		inv.setOwner(addr, p)
	}
}

// release takes the Pod from the owners of the address. If it was the one that
// held it, the next in rank gets it back.
func (inv *Inventory) release(addr netip.Addr, key podKey) {
	claimants := inv.contested[addr]
	if claimants == nil {
		inv.setOwner(addr, nil)
		return
	}
	claimants = slices.DeleteFunc(claimants, func(k podKey) bool { return k == key })
	var owner *pod
	for _, k := range claimants {
		p, _ := inv.pods.Get(k)
		if owner == nil || p.attachment != nil || owner.attachment == nil {
			owner = p
		}
	}
	inv.setOwner(addr, owner)
	if len(claimants) == 1 {
		delete(inv.contested, addr)
	} else {
		inv.contested[addr] = claimants
	}
}

func (inv *Inventory) setOwner(addr netip.Addr, p *pod) {
	owner, _ := inv.owners.Get(addr)
	if owner == p {
		return
	}
	inv.journal.address(addr, owner.classID())
	if p == nil {
		inv.owners.Delete(addr)
	} else {
		inv.owners.Set(addr, p)
	}
}

func (p *pod) classID() ClassID {
	if p == nil || p.class == nil {
		return 0
	}
	return p.class.id
}

// normalise removes the zone and the v4-mapped form of an address.
func normalise(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func normaliseAll(addrs []netip.Addr) []netip.Addr {
	if len(addrs) == 0 {
		return nil
	}
	all := make([]netip.Addr, 0, len(addrs))
	for _, addr := range addrs {
		if addr = normalise(addr); addr.IsValid() && !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	return all
}

// sameAddrs compares kept addresses with those of an object.
func sameAddrs(kept, addrs []netip.Addr) bool {
	if len(kept) != len(addrs) {
		return false
	}
	for i, addr := range addrs {
		if kept[i] != normalise(addr) {
			return false
		}
	}
	return true
}
