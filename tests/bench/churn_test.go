package bench

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/tests/flowsim"
)

type churnSize struct {
	rules []int
	pods  int
}

func TestChurn(t *testing.T) {
	out := newTable()
	churn(t, out, churnSize{rules: []int{10, 200}, pods: 300})
	for _, miss := range out.missed("flow-mods") {
		t.Error(miss)
	}
	for i, few := range out.Rows[:2] {
		if many := out.Rows[3+i]; few.Figure == 0 || many.Figure != few.Figure {
			t.Errorf("the number of flow-mods depends on the number of rules: %+v, %+v", few, many)
		}
	}
}

// churn changes one Pod at a time while rules are in force that name it, and
// takes the dearest change of each kind.
func churn(tb testing.TB, out *table, size churnSize) {
	const apps, local = 100, 200 // two Pods of each application are here
	for _, rules := range size.rules {
		c := cluster{pods: size.pods, spaces: 1, apps: apps, local: local, dual: true}
		n := newNode(tb, flowsim.New())
		c.fill(n.inv, n.dp)
		var policies []object
		for i := range rules {
			// Each application may be reached by the next.
			policies = append(policies, ingressFrom(i, i%apps, (i+1)%apps, 1000+i))
		}
		n.put(tb, policies...)
		n.realise(tb)

		dearest, asMembers := 0, 0
		change := func(local bool, change func(), back func(), classes ...int) {
			rulesNaming := 0
			for _, app := range classes {
				addr := c.pod(app).Addresses[0]
				rulesNaming += naming(n, n.inv.ClassOf(addr), local)
			}
			change()
			dearest = max(dearest, n.realise(tb))
			asMembers = max(asMembers, rulesNaming)
			back()
			n.realise(tb)
		}
		// Applications 1 to 9 are subjects and peers with ten rules already.
		const remote, here = local + 3, 3
		for to := 4; to < 9; to++ {
			for _, i := range []int{remote, here} {
				was := c.pod(i)
				now := c.pod(i)
				now.Labels = appLabels(to)
				change(i == here, func() { n.inv.PutPod(now) }, func() { n.inv.PutPod(was) }, 3, to)
			}
		}
		moved := c.pod(remote)
		moved.Addresses = []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00::99:1")}
		was := c.pod(remote)
		change(false, func() { n.inv.PutPod(moved) }, func() { n.inv.PutPod(was) }, 3)
		change(false, func() { n.inv.DeletePod(was.Namespace, was.Name) }, func() { n.inv.PutPod(was) }, 3)
		families := float64(c.families())
		out.add(row{
			Work: fmt.Sprintf("a Pod comes, goes, or changes labels or address; %s rules", number(float64(rules))), Figure: float64(dearest) / families, Unit: "flow-mods",
			Peer: "per member and rule", PeerFigure: float64(asMembers), Aim: atMost(4),
			Note: noteIf(rules == size.rules[0], "per address family"),
		})
		out.add(row{
			Work: fmt.Sprintf("  ... and is the first of a class; %s rules", number(float64(rules))), Figure: float64(ownClass(tb, n, was)) / families, Unit: "flow-mods",
			Peer: "per member and rule", PeerFigure: float64(asMembers),
			Note: noteIf(rules == size.rules[0], "the lookups, and one flow for each lane of rules that has to know the new class, however many rules are in it"),
		})
		out.add(row{
			Work: fmt.Sprintf("  ... and was the last here that %s rule(s) are about", number(float64((rules+apps-1)/apps))), Figure: float64(lastHere(tb, n, c, here, apps)) / families, Unit: "flow-mods",
			Note: noteIf(rules == size.rules[0], "rules are installed only where they have a subject"),
		})
	}
}

// ownClass makes the Pod the only one of its class: a policy has come that looks
// at a label that nobody else has.
func ownClass(tb testing.TB, n *node, was inventory.Pod) int {
	n.put(tb, object{"namespace-0", "lonely", []byte(`{"spec":{"podSelector":{"matchLabels":{"lonely":"very"}}}}`)})
	now := was
	now.Labels = map[string]string{"lonely": "yes"}
	for k, v := range was.Labels {
		now.Labels[k] = v
	}
	n.inv.PutPod(now)
	written := n.realise(tb)
	n.inv.PutPod(was)
	n.realise(tb)
	return written
}

// lastHere takes labels away from both Pods of an application that are on this
// node, and counts the second.
func lastHere(tb testing.TB, n *node, c cluster, first, apps int) (written int) {
	for _, i := range []int{first, first + apps} {
		p := c.pod(i)
		p.Labels = appLabels(first + 1)
		n.inv.PutPod(p)
		written = n.realise(tb)
	}
	return written
}

func noteIf(wanted bool, note string) string {
	if wanted {
		return note
	}
	return ""
}

// ingressFrom is a policy of one rule: application subject of namespace-0 may be
// reached by application peer on a TCP port.
func ingressFrom(i, subject, peer, port int) object {
	return object{"namespace-0", fmt.Sprintf("policy-%d", i), fmt.Appendf(nil,
		`{"spec":{"podSelector":{"matchLabels":{"app":%q}},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":%q}}}],"ports":[{"protocol":"TCP","port":%d}]}]}}`,
		appName(subject), appName(peer), port)}
}
