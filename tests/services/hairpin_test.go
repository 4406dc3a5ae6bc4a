package services

import (
	"errors"
	"syscall"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/tests/nettest"
)

func TestAPodIsItsOwnBackend(t *testing.T) {
	r := newRig(t, 1)
	r.listen(0, 8080)
	self := datapath.HairpinAddresses()
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family, 0)
		r.put(s)
		c, err := r.dial(0, network, s.Frontends[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			who, saw, err := c.ask(700)
			if err != nil {
				t.Fatal(err)
			}
			if who != "p0" || saw != self[family] {
				t.Errorf("%s sees the client as %s, want p0 and %s", who, saw, self[family])
			}
		}
	})
}

// SEMANTICS 19: a Pod reaches itself through a Service as far as NetworkPolicy is
// concerned; the other tiers judge it.
func TestSemantics19APodReachesItselfThroughAService(t *testing.T) {
	r := newRig(t, 2)
	r.listen(0, 8080)
	for _, direction := range []abi.Direction{abi.Ingress, abi.Egress} {
		for _, c := range []struct {
			tier   abi.Tier
			passes bool
		}{{abi.Network, true}, {abi.Admin, false}, {abi.Baseline, false}} {
			r.commit(
				&abi.PutSet{Name: "pods", Spec: &abi.Pods{Namespaces: []string{"x"}}},
				// What is denied is refused, so that the test need not wait for it.
				&abi.PutRule{Name: "all", Spec: abi.RuleSpec{Tier: c.tier, Direction: direction, Subjects: []string{"pods"}, AnyPeer: true, Action: abi.Reject}},
			)
			for family := range 2 {
				s := r.service(abi.TCP, family, 0)
				r.put(s)
				_, _, err := r.ask(0, "tcp", s.Frontends[0].Address)
				if passed := err == nil; passed != c.passes {
					t.Errorf("refused in tier %d, direction %d: reached itself: %t (%v), want %t", c.tier, direction, passed, err, c.passes)
				}
				if _, _, err := r.ask(1, "tcp", s.Frontends[0].Address); err == nil {
					t.Errorf("refused in tier %d, direction %d: reached by another Pod", c.tier, direction)
				}
			}
		}
	}
}

// Policy is about the Pod behind a Service: SEMANTICS 16.
func TestSemantics16EgressIsJudgedByTheBackend(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family, 1, 2)
		r.put(s)
		r.commit(
			&abi.PutSet{Name: "client", Spec: &abi.Pods{Namespaces: []string{"x"}, PodSelector: app("p0")}},
			&abi.PutSet{Name: "one", Spec: &abi.Pods{Namespaces: []string{"x"}, PodSelector: app("p1")}},
			&abi.PutSet{Name: "address", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: nettest.Single(vips[family])}}}},
			&abi.PutRule{Name: "address", Spec: abi.RuleSpec{
				Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"client"}, Peers: []string{"address"}, Action: abi.Allow,
			}},
			&abi.PutRule{Name: "port", Spec: abi.RuleSpec{
				Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"client"}, Peers: []string{"one"}, Action: abi.Allow,
				Ports: []abi.Port{{Protocol: protocols[network], First: 8080, Last: 8080}},
			}},
			&abi.PutRule{Name: "refuse", Spec: abi.RuleSpec{
				Tier: abi.Network, Priority: -10, Direction: abi.Egress, Subjects: []string{"client"}, AnyPeer: true, Action: abi.Reject,
			}},
		)
		answered := map[string]int{}
		for range 30 {
			who, _, err := r.ask(0, network, s.Frontends[0].Address)
			if err != nil {
				who = "nobody"
			}
			answered[who]++
			// The refusal is one by the Service, as far as the client knows.
			refused := map[string]error{"tcp": syscall.ECONNREFUSED, "udp": []error{syscall.EHOSTUNREACH, syscall.EACCES}[family]}[network]
			if err != nil && !errors.Is(err, refused) {
				t.Errorf("refused by %v, want %v", err, refused)
			}
		}
		if answered["p2"] > 0 || answered["p1"] == 0 || answered["nobody"] == 0 {
			t.Errorf("answered by %v; only p1 is allowed", answered)
		}
	})
}

func app(name string) abi.Selector {
	return abi.Selector{Requirements: []abi.Requirement{{Key: "app", Operator: abi.In, Values: []string{name}}}}
}

// commit puts a whole policy into force.
func (r *rig) commit(requests ...abi.Request) {
	r.t.Helper()
	txn := r.layer.Begin(true)
	for _, request := range requests {
		r.must(txn.Stage(request))
	}
	r.must(txn.Check())
	r.must(r.dp.Commit(txn.Delta()))
	r.layer.Commit(txn)
	r.realise()
}
