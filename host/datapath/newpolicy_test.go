package datapath_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
)

// A policy about Pods that no policy has been about costs flows for its classes
// and ports, and none for each Pod.
func TestANewPolicyCostsNoFlowPerPod(t *testing.T) {
	const apps, podsEach = 20, 50
	w := newWorld(t)
	for app := range apps {
		for n := range podsEach {
			p := inventory.Pod{
				Namespace: "x", Name: fmt.Sprintf("p%d-%d", app, n), Node: "there",
				Labels:    map[string]string{"app": fmt.Sprint(app)},
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(app), byte(n + 1)})},
			}
			if n == 0 {
				p.Node = nodeName
			}
			w.putPod(p)
			if n == 0 {
				w.attach(p)
			}
		}
	}
	allow := func(name string, from ...string) []abi.Request {
		pods := func(values ...string) abi.SetSpec {
			return &abi.Pods{Namespaces: []string{"x"}, PodSelector: abi.Selector{
				Requirements: []abi.Requirement{{Key: "app", Operator: abi.In, Values: values}},
			}}
		}
		return []abi.Request{
			&abi.PutSet{Name: name + " to", Spec: pods("0")},
			&abi.PutSet{Name: name + " from", Spec: pods(from...)},
			&abi.PutRule{Name: name, Spec: abi.RuleSpec{
				Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{name + " to"}, Peers: []string{name + " from"},
				Ports: []abi.Port{{Protocol: abi.TCP, First: 80, Last: 80}}, Action: abi.Allow,
			}},
		}
	}
	w.commit(t, "first", false, allow("old", "1"))
	w.realise(t)

	var all []string
	for app := range apps {
		all = append(all, fmt.Sprint(app))
	}
	w.commit(t, "first", false, allow("new", all...))
	const ports = 1
	if n, limit := w.realise(t), 2*(apps+ports)+8; n > limit {
		t.Errorf("a policy about %d Pods in %d classes wrote %d flows, more than %d", apps*podsEach, apps, n, limit)
	} else {
		t.Logf("%d flows written for %d Pods in %d classes", n, apps*podsEach, apps)
	}
}
