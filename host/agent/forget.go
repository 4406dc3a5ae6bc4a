package agent

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"github.com/sluice-net/sluice/host/datapath"
)

// forget makes the bridge's conntrack forget the connections of addresses, in
// both roles. It needs the control socket of ovs-vswitchd (ovs-appctl(8),
// dpctl/flush-conntrack; from Open vSwitch 3.1 on), as OpenFlow has no such
// request that older switches would understand.
func (a *agent) forget(ctx context.Context, addresses []netip.Addr) error {
	socket, err := controlSocket(a.Config.OVS.RunDir)
	if err != nil {
		return err
	}
	for _, addr := range addresses {
		source := "ct_nw_src=" + addr.String()
		if addr.Is6() {
			source = "ct_ipv6_src=" + addr.String()
		}
		// An empty tuple matches everything: the second is about replies, whose
		// source is whom the connection was opened to.
		for _, zone := range []int{datapath.Zone, datapath.ServiceZone, datapath.HairpinZone} {
			for _, tuples := range [][]string{{source}, {"", source}} {
				params := append([]string{fmt.Sprintf("zone=%d", zone)}, tuples...)
				if _, err := control(ctx, socket, "dpctl/flush-conntrack", params...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// stale is the queue of connections to forget because their Service has changed.
type stale struct {
	mu   sync.Mutex
	all  []datapath.Stale
	wake chan struct{}
}

func newStale() *stale { return &stale{wake: make(chan struct{}, 1)} }

// add never waits.
func (s *stale) add(more []datapath.Stale) {
	if len(more) == 0 {
		return
	}
	s.mu.Lock()
	s.all = append(s.all, more...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stale) take() []datapath.Stale {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

// forgetStale makes conntrack forget them, until ctx ends. The engine does not
// wait for it, as each takes a walk through all of conntrack.
func (a *agent) forgetStale(ctx context.Context) error {
	for {
		select {
		case <-a.engine.stale.wake:
		case <-ctx.Done():
			return nil
		}
		if err := a.forgetNow(ctx, a.engine.stale.take()); err != nil && ctx.Err() == nil {
			a.log.Warn("UDP clients of a Service may go on sending to an endpoint that is gone, until they pause", "error", err)
		}
	}
}

func (a *agent) forgetNow(ctx context.Context, all []datapath.Stale) error {
	socket, err := controlSocket(a.Config.OVS.RunDir)
	if err != nil {
		return err
	}
	// A packet may still meet the flows of before, and bring back what is forgotten.
	if _, err := control(ctx, socket, "revalidator/wait"); err != nil {
		return err
	}
	for _, one := range all {
		if _, err := control(ctx, socket, "dpctl/flush-conntrack", one.FlushParams()...); err != nil {
			return err
		}
	}
	return nil
}
