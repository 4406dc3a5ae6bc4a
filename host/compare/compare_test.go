package compare_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/policy"
)

// fact is one thing that changes: who, to whom, at which port. An address that is
// neither Pod nor node is "outside".
type fact struct {
	kind     compare.Kind
	from, to string
	four     bool
	protocol abi.Protocol
	port     uint16
}

// TestCompareAgainstEveryPair holds Compare against policy.Evaluate for every
// ordered pair of addresses, protocol and port.
func TestCompareAgainstEveryPair(t *testing.T) {
	facts, same := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		before := drawLayers(t, "before")
		after := before
		switch rapid.IntRange(0, 3).Draw(t, "what changes") {
		case 0: // nothing
		case 1:
			after = drawLayers(t, "after")
		default:
			after = drawEdit(t, before)
		}
		old, now := layersOf(t, before), layersOf(t, after)
		result, err := compare.Compare(context.Background(), c.inv.Snapshot(), old, now, compare.Options{Limit: 1 << 20, Names: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		want, pairs := c.bruteForce(old, now)
		got := c.expand(t, result)
		for f := range want {
			if !got[f] {
				t.Fatalf("not found: %+v\nbefore %s\nafter %s", f, before, after)
			}
		}
		for f := range got {
			if !want[f] {
				t.Fatalf("not true: %+v\nbefore %s\nafter %s", f, before, after)
			}
		}
		for kind, count := range map[compare.Kind]uint64{compare.NewAllow: result.NewAllows, compare.NewDeny: result.NewDenies, compare.Answer: result.Answers} {
			outside := uint64(0)
			for _, change := range result.Changes {
				if change.Kind == kind && (change.From.Kind == compare.Outside || change.To.Kind == compare.Outside) {
					outside += change.Pairs
				}
			}
			// Changes of the same pair in different families or ports count once.
			if known := pairs[kind]; count < known || count > known+outside {
				t.Fatalf("%s: %d pairs, of which at least %d and at most %d are there", kind, count, known, known+outside)
			}
		}
		facts += len(want)
		if len(want) == 0 {
			same++
			if !result.Same() {
				t.Fatalf("nothing changes, and yet: %+v", result)
			}
		}
	})
	t.Logf("%d changes of verdict; %d cases without any", facts, same)
	if facts < 1000 {
		t.Errorf("only %d changes of verdict in all cases: they no longer test much", facts)
	}
}

// bruteForce asks about everything. Pairs counts pairs of names that are not
// outside, by kind.
func (c *cluster) bruteForce(before, after []*policy.Layer) (map[fact]bool, map[compare.Kind]uint64) {
	snapshot := c.inv.Snapshot()
	facts, pairs := map[fact]bool{}, map[compare.Kind]uint64{}
	counted := map[string]bool{}
	for from, fromName := range c.addresses {
		for to, toName := range c.addresses {
			if from.Is4() != to.Is4() || fromName == toName {
				continue
			}
			for _, p := range portsToAsk(from.Is4()) {
				packet := policy.Packet{Source: from, Destination: to, Protocol: p.protocol, Port: p.port}
				old := outcome(policy.Evaluate(policy.View{Inventory: snapshot, Layers: before}, packet))
				now := outcome(policy.Evaluate(policy.View{Inventory: snapshot, Layers: after}, packet))
				if old == now {
					continue
				}
				kind := compare.Answer
				switch {
				case old == abi.Allow:
					kind = compare.NewDeny
				case now == abi.Allow:
					kind = compare.NewAllow
				}
				facts[fact{kind, fromName, toName, from.Is4(), p.protocol, p.port}] = true
				key := fmt.Sprint(kind, fromName, toName)
				if fromName != "outside" && toName != "outside" && !counted[key] {
					counted[key] = true
					pairs[kind]++
				}
			}
		}
	}
	return facts, pairs
}

func outcome(v policy.Verdict) abi.Action {
	if v.Egress.Verdict != abi.Allow {
		return v.Egress.Verdict
	}
	return v.Ingress.Verdict
}

// expand says a result in facts.
func (c *cluster) expand(t *rapid.T, r compare.Result) map[fact]bool {
	facts := map[fact]bool{}
	for _, change := range r.Changes {
		old, now := outcome(change.Before), outcome(change.After)
		if old == now {
			t.Fatalf("the sample of %+v is the same before and after", change)
		}
		for _, from := range names(change.From) {
			for _, to := range names(change.To) {
				if from == to || c.nodeOf[to] == from {
					continue
				}
				for _, four := range []bool{true, false} {
					if change.Family == compare.IPv4 && !four || change.Family == compare.IPv6 && four || !c.has(from, four) || !c.has(to, four) {
						continue
					}
					for _, p := range portsToAsk(four) {
						if slices.ContainsFunc(change.Ports, func(r compare.PortRange) bool { return covers(r, p, four, change.Family) }) {
							facts[fact{change.Kind, from, to, four, p.protocol, p.port}] = true
						}
					}
				}
			}
		}
	}
	return facts
}

func names(e compare.End) []string {
	if e.Kind == compare.Outside {
		return []string{"outside"}
	}
	return e.Names
}

func covers(r compare.PortRange, p port, four bool, family compare.Family) bool {
	if r.Protocol == abi.AnyProtocol && !r.Other {
		return true
	}
	if family == compare.Both && !four && r.Protocol == abi.ICMP { // all of ICMP stands for all of ICMPv6
		r.Protocol = abi.ICMPv6
	}
	return r.Protocol == p.protocol && r.First <= p.port && p.port <= r.Last
}

func (c *cluster) has(name string, four bool) bool {
	for a, n := range c.addresses {
		if n == name && a.Is4() == four {
			return true
		}
	}
	return false
}

type port struct {
	protocol abi.Protocol
	port     uint16
}

func portsToAsk(four bool) []port {
	icmp := abi.ICMPv6
	if four {
		icmp = abi.ICMP
	}
	list := []port{{abi.AnyProtocol, 0}}
	for _, p := range []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP} {
		for _, n := range []uint16{0, 1, 79, 80, 81, 89, 90, 91, 443, 65535} {
			list = append(list, port{p, n})
		}
	}
	for _, n := range []uint16{0, 1, 0x0800, 0x0801, 0x08ff, 0x0900, 65535} {
		list = append(list, port{icmp, n})
	}
	return list
}

func TestCompareEnds(t *testing.T) {
	for _, test := range []struct {
		r    compare.PortRange
		want string
	}{
		{compare.PortRange{Protocol: abi.TCP, First: 80, Last: 80}, "TCP/80"},
		{compare.PortRange{Protocol: abi.UDP, First: 53, Last: 60}, "UDP/53-60"},
		{compare.PortRange{Protocol: abi.SCTP, First: 0, Last: 65535}, "SCTP"},
		{compare.PortRange{Last: 65535}, "any"},
		{compare.PortRange{Last: 65535, Other: true}, "other protocols"},
		{compare.PortRange{Protocol: abi.ICMP, First: 0x800, Last: 0x8ff}, "ICMP/type 8"},
		{compare.PortRange{Protocol: abi.ICMP, First: 0x300, Last: 0x300}, "ICMP/type 3 code 0"},
	} {
		if got := test.r.String(); got != test.want {
			t.Errorf("%+v is %q, want %q", test.r, got, test.want)
		}
	}
	end := compare.End{Kind: compare.Pods, Names: []string{"shop/web-0", "shop/web-1"}, Count: 7}
	if got, want := end.String(), "shop/web-0 and 6 more"; got != want {
		t.Errorf("%+v is %q, want %q", end, got, want)
	}
}

// TestDenyOnlyNeverOpens: a module that is granted the action deny and no other
// can tighten, wherever it stands and whatever it asks for; no connection is
// allowed that was not.
func TestDenyOnlyNeverOpens(t *testing.T) {
	denied, refused := uint64(0), 0
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		before := layersOf(t, drawLayers(t, "before"))
		guard := policy.NewLayer("guard", rapid.IntRange(-1, 3).Draw(t, "order"), policy.Grant{
			Tiers: []abi.Tier{abi.Admin, abi.Network, abi.Baseline}, Actions: []abi.Action{abi.Deny},
		}, policy.Limits{})
		txn := guard.Begin(true)
		for _, r := range drawLayers(t, "guard")[0].Requests {
			if err := txn.Stage(r); err != nil {
				refused++
			}
		}
		guard.Commit(txn)
		result, err := compare.Compare(context.Background(), c.inv.Snapshot(), before, append(slices.Clone(before), guard), compare.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if result.NewAllows > 0 {
			t.Fatalf("it opens: %v", result.Changes[0])
		}
		denied += result.NewDenies
	})
	if denied == 0 || refused == 0 {
		t.Errorf("%d pairs were denied and %d requests refused: this no longer tests much", denied, refused)
	}
}
