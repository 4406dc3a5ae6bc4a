package bench

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/tests/flowsim"
)

type allToAllSize struct{ pods, policies, local int }

func TestAllToAll(t *testing.T) {
	out := newTable()
	allToAll(t, out, allToAllSize{pods: 200, policies: 200, local: 10})
	if out.Rows[0].Ratio >= 1 {
		t.Errorf("%+v", out.Rows)
	}
}

// allToAll is one namespace in which every application, of ten Pods, has policies
// that let everybody in, each on a port of its own.
func allToAll(tb testing.TB, out *table, size allToAllSize) {
	c := cluster{pods: size.pods, spaces: 1, apps: size.pods / 10, local: size.local}
	n := newNode(tb, flowsim.New())
	c.fill(n.inv, n.dp)
	policies := make([]object, size.policies)
	for i := range policies {
		policies[i] = object{"namespace-0", fmt.Sprintf("policy-%d", i), fmt.Appendf(nil,
			`{"spec":{"podSelector":{"matchLabels":{"app":%q}},"ingress":[{"from":[{"podSelector":{}}],"ports":[{"protocol":"TCP","port":%d}]}]}}`,
			appName(i%c.apps), 1000+i)}
	}
	n.put(tb, policies...)
	out.add(row{
		Work:   fmt.Sprintf("flows, all-to-all: %s policies, %s Pods, %d of them local", number(float64(size.policies)), number(float64(size.pods)), size.local),
		Figure: float64(n.dp.Stats().Flows), Unit: "flows",
		Peer: "per member and rule", PeerFigure: float64(perMember(n, c.families())), Aim: ratioAtMost(1).own(),
	})
}
