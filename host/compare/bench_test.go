package compare_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// BenchmarkCompare is a large cluster of which one rule in a hundred changes: 20,000
// Pods of 1,000 applications in 100 namespaces, 2,000 rules.
func BenchmarkCompare(b *testing.B) {
	inv := inventory.New()
	for i := range 20_000 {
		inv.PutPod(inventory.Pod{
			Namespace: fmt.Sprintf("ns%d", i%100), Name: fmt.Sprintf("p%d", i), Labels: map[string]string{"app": fmt.Sprint(i % 1000)},
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
		})
	}
	layer := func(changed int) *policy.Layer {
		grant, _ := policy.GrantOf([]string{"network"}, []string{"allow"})
		l := policy.NewLayer("m", 0, grant, policy.Limits{})
		txn := l.Begin(true)
		for i := range 1000 {
			name := fmt.Sprintf("app%d", i)
			requests := []abi.Request{
				&abi.PutSet{Name: name, Spec: &abi.Pods{
					Namespaces:  []string{fmt.Sprintf("ns%d", i%100)},
					PodSelector: abi.Selector{Requirements: []abi.Requirement{{Key: "app", Operator: abi.In, Values: []string{fmt.Sprint(i)}}}},
				}},
				&abi.PutIsolation{Name: name, Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{name}}},
			}
			for r := range 2 {
				port := uint16(80 + r)
				if i*2+r < changed {
					port = 9000
				}
				requests = append(requests, &abi.PutRule{Name: fmt.Sprintf("%s-%d", name, r), Spec: abi.RuleSpec{
					Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{name}, AnyPeer: r == 0, Peers: []string{name}[:r],
					Ports: []abi.Port{{Protocol: abi.TCP, First: port, Last: port}}, Action: abi.Allow,
				}})
			}
			for _, r := range requests {
				if err := txn.Stage(r); err != nil {
					b.Fatal(err)
				}
			}
		}
		l.Commit(txn)
		return l
	}
	objects := inv.Snapshot()
	before := []*policy.Layer{layer(0)}
	after := []*policy.Layer{layer(20)}
	b.ReportAllocs()
	for b.Loop() {
		r, err := compare.Compare(b.Context(), objects, before, after, compare.Options{Limit: 20})
		if err != nil || r.NewDenies == 0 {
			b.Fatal(r.NewDenies, err)
		}
	}
}
