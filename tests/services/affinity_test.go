package services

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
)

// learned are the flows by which the switch remembers clients.
func (r *rig) learned() []of.FlowStats {
	r.t.Helper()
	flows, err := r.conn.DumpFlows(r.t.Context(), of.FlowFilter{Table: of.InTable(uint8(datapath.Affinity))})
	r.must(err)
	return flows
}

func TestAffinityKeepsAClientWithItsBackend(t *testing.T) {
	r := newRig(t, 4)
	for i := 1; i <= 3; i++ {
		r.listen(i, 8080)
	}
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family, 1)
		s.Affinity = 3 * time.Hour
		r.put(s)
		always := func(want string) string {
			t.Helper()
			for range 12 {
				who, _, err := r.ask(0, network, s.Frontends[0].Address)
				if err != nil {
					t.Fatal(err)
				}
				if want == "" {
					want = who
				}
				if who != want {
					t.Errorf("answered by %s, before by %s", who, want)
				}
			}
			return want
		}
		always("p1")
		if n := len(r.learned()); n != 1 {
			t.Errorf("%d clients are remembered, want 1", n)
		}
		// More backends change nothing, even if the group alone would choose them.
		s.Backends = r.service(protocols[network], family, 1, 2, 3).Backends
		r.put(s)
		always("p1")
		// A second frontend is the same Service.
		second := netip.AddrPortFrom(vips[family].Next(), 81)
		s.Frontends = append(s.Frontends, datapath.Frontend{Address: second})
		r.put(s)
		if who, _, err := r.ask(0, network, second); err != nil || who != "p1" {
			t.Errorf("at the other frontend answered by %q, %v; want p1", who, err)
		}
		// A client whose backend is gone gets another one, and keeps it.
		chosen := r.learned()[0].Actions
		s.Backends = s.Backends[1:]
		r.put(s)
		other := always("")
		if other == "p1" {
			t.Error("answered by a backend that is gone")
		}
		// A cached flow that has changed learns when its packets are counted.
		r.await("the new choice to be remembered", func() bool { return r.learned()[0].Actions != chosen })
		s.Backends = r.service(protocols[network], family, 1, 2, 3).Backends
		r.put(s)
		always(other)
		// The patrol leaves what was learned alone, and so does an agent that comes back.
		if n, err := r.dp.Repair(t.Context()); err != nil || n != 0 {
			t.Errorf("the patrol found %d flows to be wrong, %v", n, err)
		}
		fresh := r.freshDatapath()
		r.must(fresh.PutService(s))
		r.must(fresh.Connect(t.Context(), r.conn))
		fresh.Refresh()
		if n, err := fresh.Realise(t.Context()); err != nil || n != 0 {
			t.Errorf("a restart wrote %d changes, %v", n, err)
		}
		always(other)
		r.dp.DeleteService(s.Name)
		r.realise()
		if n := len(r.learned()); n != 0 {
			t.Errorf("%d clients of a Service that is gone are remembered", n)
		}
	})
}

func TestAffinityOutlivesNoService(t *testing.T) {
	r := newRig(t, 2)
	r.listen(1, 8080)
	s := r.service(protocols["tcp"], 0, 1)
	s.Affinity = time.Hour
	r.put(s)
	if _, _, err := r.ask(0, "tcp", s.Frontends[0].Address); err != nil {
		t.Fatal(err)
	}
	// The Service goes while no agent is there.
	fresh := r.freshDatapath()
	r.must(fresh.Connect(t.Context(), r.conn))
	fresh.Refresh()
	if _, err := fresh.Realise(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(r.learned()); n != 0 {
		t.Errorf("%d clients are remembered", n)
	}
	if groups, err := r.conn.DumpGroups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("groups %v are left, %v", groups, err)
	}
}

func TestAffinityEndsWithItsTimeout(t *testing.T) {
	r := newRig(t, 2)
	r.listen(1, 8080)
	s := r.service(protocols["tcp"], 0, 1)
	s.Affinity = time.Second
	r.put(s)
	if _, _, err := r.ask(0, "tcp", s.Frontends[0].Address); err != nil {
		t.Fatal(err)
	}
	r.await("the end of affinity", func() bool { return len(r.learned()) == 0 })
}
