package datapath

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Stale are connections of UDP in ServiceZone that conntrack would send to a
// backend that is gone for as long as the client goes on sending, or of a frontend
// that is gone. TCP connections are left alone: they end with their backend, as
// they do with kube-proxy.
type Stale struct {
	Frontend netip.AddrPort
	Backend  netip.AddrPort // the zero AddrPort: any
}

// FlushParams are the parameters with which ovs-vswitchd's dpctl/flush-conntrack
// (ovs-appctl(8), from Open vSwitch 3.1 on) forgets them.
func (s Stale) FlushParams() []string {
	tuple := func(end string, a netip.AddrPort) string {
		family := "nw"
		if a.Addr().Is6() {
			family = "ipv6"
		}
		port := map[string]string{"src": "ct_tp_src", "dst": "ct_tp_dst"}[end]
		return fmt.Sprintf("ct_%s_%s=%s,ct_nw_proto=%d,%s=%d", family, end, a.Addr(), abi.UDP, port, a.Port())
	}
	params := []string{fmt.Sprintf("zone=%d", ServiceZone), tuple("dst", s.Frontend)}
	if s.Backend.IsValid() {
		params = append(params, tuple("src", s.Backend))
	}
	return params
}

// TakeStale is what is to be forgotten because of what Realise has written since
// it was asked last. The caches of Open vSwitch follow its flows some
// milliseconds behind: forget after that.
func (d *Datapath) TakeStale() []Stale {
	out := slices.Collect(maps.Keys(d.stale))
	clear(d.stale)
	return out
}

// outdate notes what becomes stale when one service takes the place of another.
func (s *services) outdate(old, now *service) {
	if old == nil || old.Protocol != abi.UDP {
		return
	}
	backends := map[netip.AddrPort]struct{}{}
	if now != nil && now.Protocol == old.Protocol {
		for _, b := range now.Backends {
			backends[b] = struct{}{}
		}
	}
	for _, f := range old.Frontends {
		if s.at[frontend{old.Protocol, f.Address}] == nil {
			s.stale[Stale{Frontend: f.Address}] = struct{}{}
			continue
		}
		for _, b := range old.Backends {
			if _, stays := backends[b]; !stays {
				s.stale[Stale{Frontend: f.Address, Backend: b}] = struct{}{}
			}
		}
	}
}
