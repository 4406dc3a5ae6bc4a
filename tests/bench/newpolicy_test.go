package bench

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tests/flowsim"
)

type newPolicySize struct{ pods, classes, ports int }

func TestNewPolicy(t *testing.T) {
	out := newTable()
	newPolicy(t, out, newPolicySize{pods: 300, classes: 10, ports: 2})
	if first := out.Rows[0]; first.Met == nil || !*first.Met {
		t.Errorf("%+v", first)
	}
}

// newPolicy adds a policy whose peers are all Pods of a cluster, in some
// classes, to a node where the label keys are known: once while rules in force
// name these classes already, once while none does.
func newPolicy(tb testing.TB, out *table, size newPolicySize) {
	c := cluster{pods: size.pods, spaces: 1, apps: size.classes, local: 5}
	limit := atMost(float64(2*(size.classes+size.ports) + 8))
	var ports []string
	for i := range size.ports {
		ports = append(ports, fmt.Sprintf(`{"protocol":"TCP","port":%d}`, 8000+100*i))
	}
	fresh := object{"namespace-0", "fresh", fmt.Appendf(nil,
		`{"spec":{"podSelector":{"matchLabels":{"app":%q}},"ingress":[{"from":[{"podSelector":{}}],"ports":[%s]}]}}`, appName(1), strings.Join(ports, ","))}

	for _, known := range []bool{true, false} {
		n := newNode(tb, flowsim.New())
		c.fill(n.inv, n.dp)
		policies := []object{ingressFrom(0, 0, 1, 80)} // makes "app" a known key
		if known {
			for app := range c.apps {
				policies = append(policies, ingressFrom(1+app, 0, app, 80))
			}
		}
		n.put(tb, policies...)
		before := perMember(n, c.families())
		written := n.put(tb, fresh)
		work := fmt.Sprintf("new policy, %s Pods of %d classes in its peers", number(float64(size.pods)), size.classes)
		if !known {
			work = "  ... of which no rule here has spoken before"
		}
		out.add(row{
			Work: work, Figure: float64(written), Unit: "flow-mods",
			Peer: "per member and rule", PeerFigure: float64(perMember(n, c.families()) - before), Aim: limit,
		})
	}
}
