package datapath

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// services keeps what is wanted of each ServicePort in the books of flows and
// groups.
type services struct {
	book    *book
	groups  *groupBook
	numbers *numbers
	told    bool
	byName  map[string]*service
	at      map[frontend]*service
	// later are, by flow, the ports that later fragments to an address can be for.
	later map[of.FlowKey]map[*service]of.Flow
	// affine are the numbers of ports with affinity; bygone, of those that were,
	// and of whose clients the switch may still remember some.
	affine, bygone map[uint32]struct{}
	// stale is what will be when the changes are written.
	stale map[Stale]struct{}
}

// service is a ServicePort and what was made of it.
type service struct {
	ServicePort
	*compiled
}

// frontend is where no two ports can be.
type frontend struct {
	protocol abi.Protocol
	address  netip.AddrPort
}

func newServices(b *book, g *groupBook) *services {
	return &services{
		book: b, groups: g, numbers: newNumbers(), told: true, byName: map[string]*service{}, at: map[frontend]*service{},
		later: map[of.FlowKey]map[*service]of.Flow{}, affine: map[uint32]struct{}{}, bygone: map[uint32]struct{}{}, stale: map[Stale]struct{}{},
	}
}

// PutService makes local Pods reach a port of a Service, or changes who answers.
// After an error, which names what is wrong, nothing has changed. Established TCP
// connections stay with the backend that they have.
func (d *Datapath) PutService(p ServicePort) error {
	if err := p.check(); err != nil {
		return err
	}
	return d.services.put(p, d.limits)
}

// DeleteService gives the addresses of a ServicePort back to the gateway. An
// unknown name is nothing to do.
func (d *Datapath) DeleteService(name string) { d.services.delete(name) }

func (s *services) put(p ServicePort, limits Limits) error {
	for _, f := range p.Frontends {
		if other := s.at[frontend{p.Protocol, f.Address}]; other != nil && other.Name != p.Name {
			return fmt.Errorf("port %q of a Service: frontends: %s is already that of %q; only one of them can have it", p.Name, f.Address, other.Name)
		}
	}
	before := s.load()
	old, now := s.byName[p.Name], s.compile(p)
	s.replace(old, now)
	if err := limits.checkService(p.Name, before, s.load()); err != nil {
		var again *service
		if old != nil {
			again = s.compile(old.ServicePort)
		}
		s.replace(now, again)
		return err
	}
	s.outdate(old, now)
	return nil
}

func (s *services) compile(p ServicePort) *service {
	return &service{ServicePort: p, compiled: compileService(&p, s.numbers, s.told)}
}

func (s *services) delete(name string) {
	if old := s.byName[name]; old != nil {
		s.replace(old, nil)
		s.outdate(old, nil)
	}
}

// replace puts one service into the place of another; either may be nil.
func (s *services) replace(old, now *service) {
	if old != nil {
		s.takeOut(old)
	}
	if now != nil {
		s.putIn(now)
	}
	if old == nil {
		return
	}
	for name := range old.names {
		if now == nil {
			s.numbers.release(name)
		} else if _, stays := now.names[name]; !stays {
			s.numbers.release(name)
		}
	}
}

func (s *services) takeOut(old *service) {
	for _, f := range old.flows {
		s.book.remove(f.Key())
	}
	for _, f := range old.shared {
		s.book.removeOwner(f.Key(), f.Cookie)
	}
	for _, f := range old.whole {
		delete(s.later[f.Key()], old)
		s.settleLater(f.Key())
	}
	for _, g := range old.groups {
		s.groups.remove(g.ID)
	}
	for _, f := range old.Frontends {
		delete(s.at, frontend{old.Protocol, f.Address})
	}
	if old.Affinity > 0 {
		delete(s.affine, old.number)
		s.bygone[old.number] = struct{}{}
	}
	delete(s.byName, old.Name)
}

func (s *services) putIn(now *service) {
	for _, g := range now.groups {
		s.groups.put(g)
	}
	for _, f := range now.flows {
		s.book.put(f)
	}
	for _, f := range now.shared {
		s.book.addOwner(f)
	}
	for _, f := range now.whole {
		if s.later[f.Key()] == nil {
			s.later[f.Key()] = map[*service]of.Flow{}
		}
		s.later[f.Key()][now] = f
		s.settleLater(f.Key())
	}
	for _, f := range now.Frontends {
		s.at[frontend{now.Protocol, f.Address}] = now
	}
	if now.Affinity > 0 {
		s.affine[now.number] = struct{}{}
		delete(s.bygone, now.number)
	}
	s.byName[now.Name] = now
}

// settleLater writes the flow for later fragments, which have no port, if there
// is no doubt which port they are for.
func (s *services) settleLater(key of.FlowKey) {
	if len(s.later[key]) == 1 {
		for _, f := range s.later[key] {
			s.book.put(f)
		}
		return
	}
	s.book.remove(key)
	if len(s.later[key]) == 0 {
		delete(s.later, key)
	}
}

// tell says whether the switch can tell the agent of packets.
func (s *services) tell(on bool) {
	if s.told == on {
		return
	}
	s.told = on
	for _, old := range s.byName {
		if len(old.Backends) == 0 {
			s.replace(old, s.compile(old.ServicePort))
		}
	}
}

// forget is what makes the switch forget the clients of bygone ports.
func (s *services) forget() (mods []of.Mod) {
	for _, number := range slices.Sorted(maps.Keys(s.bygone)) {
		mods = append(mods, of.DeleteFlows(of.FlowFilter{
			Table: of.InTable(uint8(Affinity)), Cookie: cookie(cookieLearned, number), CookieMask: 1<<64 - 1,
		}))
	}
	return mods
}

// isLearned says whether a flow of a dump is one that the switch made, and
// remembers for which port.
func (s *services) isLearned(f of.Flow) bool {
	if f.Table != uint8(Affinity) || f.Cookie>>32 != cookie(cookieLearned, 0)>>32 {
		return false
	}
	number := uint32(f.Cookie)
	if _, stays := s.affine[number]; !stays {
		s.bygone[number] = struct{}{}
	}
	return true
}

// load is how much is wanted, policy included.
func (s *services) load() load {
	l := s.book.load()
	l.buckets = s.groups.buckets
	return l
}
