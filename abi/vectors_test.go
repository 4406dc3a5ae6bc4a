package abi

import (
	"encoding/json"
	"math"
	"strings"
)

func appendAll(b []byte, requests []Request) []byte {
	for _, r := range requests {
		b = AppendRequest(b, r)
	}
	return b
}

func decodeAll(b []byte) (all []Request, err error) {
	err = DecodeRequests(b, func(r Request) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// show is for the messages of failing tests.
func show(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func vectors() []vector {
	const policies = "networkpolicies.networking.k8s.io"
	manyPorts := make([]Port, 399)
	for i := range manyPorts {
		manyPorts[i] = Port{Protocol: TCP, First: uint16(i + 1), Last: uint16(i + 1)}
	}
	return []vector{
		{name: "batch-empty", batch: &EventBatch{}},
		{name: "batch-every-field", batch: &EventBatch{Sequence: 7, Reset: true, Events: []Event{
			&Configure{JSON: []byte(`{"logDenied":true}`)},
			&ObjectPut{Resource: policies, Namespace: "shop", Name: "db-from-web", UID: "0b9a3c0e-6d7e-4d0a-9f64-2b9f5f0c1a11", Generation: 3, JSON: []byte(`{"spec":{}}`)},
			&ObjectPut{Resource: policies, Namespace: "shop", Name: "web", UID: "u2", Generation: 1, JSON: []byte("\x00\xff not JSON: the codec does not look")},
			&ObjectDelete{Resource: "pods", Namespace: "shop", Name: "db-0", UID: "u3"},
			&ObjectPut{Resource: "namespaces", Name: "café"},
			&Tick{UnixNanos: 1795393658000000000},
		}}},
		{name: "batch-extremes", batch: &EventBatch{Sequence: math.MaxUint64, Events: []Event{
			&ObjectPut{Name: "min", Generation: math.MinInt64},
			&ObjectPut{Name: "max", Generation: math.MaxInt64},
			&ObjectPut{Name: "minus-one", Generation: -1},
			&Tick{UnixNanos: -1},
		}}},
		{name: "batch-kinds-without-fields", batch: &EventBatch{Events: []Event{
			&Configure{}, &ObjectPut{}, &ObjectDelete{}, &Tick{},
		}}},
		{name: "batch-long-json", batch: &EventBatch{Sequence: 300, Events: []Event{
			&ObjectPut{Resource: "pods", JSON: []byte(strings.Repeat("a", 127))},
			&ObjectPut{Resource: "pods", JSON: []byte(strings.Repeat("b", 128))},
			&ObjectPut{Resource: "pods", JSON: []byte(strings.Repeat("x", 20000))},
		}}},
		{name: "batch-readme", batch: &EventBatch{Sequence: 1, Reset: true, Events: []Event{
			&Configure{},
			&ObjectPut{Resource: "namespaces", Name: "shop", UID: "u1", Generation: 1, JSON: []byte(`{"a":1}`)},
		}}},
		{name: "requests-readme", requests: []Request{
			&PutSet{Name: "shop", Spec: &Pods{Namespaces: []string{"shop"}}},
			&PutRule{Name: "in", Spec: RuleSpec{
				Tier: Baseline, Direction: Ingress, Priority: -1, Action: Allow,
				Subjects: []string{"shop"}, Peers: []string{"shop"},
			}},
		}},
		{name: "requests-empty"},
		{name: "requests-sets", requests: []Request{
			&PutSet{Name: "pods-of-shop", Spec: &Pods{
				Namespaces:        []string{"shop", "stock"},
				NamespaceSelector: &Selector{Requirements: []Requirement{{Key: "team", Operator: In, Values: []string{"a", "b"}}}},
				PodSelector: Selector{Requirements: []Requirement{
					{Key: "app", Operator: NotIn, Values: []string{"db"}},
					{Key: "tier", Operator: Exists},
					{Key: "old", Operator: DoesNotExist},
				}},
			}},
			&PutSet{Name: "everything", Spec: &Pods{NamespaceSelector: &Selector{}}},
			&PutSet{Name: "empty-strings", Spec: &Pods{Namespaces: []string{"", "x"}}},
			&PutSet{Name: "workers", Spec: &Nodes{Selector: Selector{Requirements: []Requirement{{Key: "role", Operator: In, Values: []string{"worker"}}}}}},
			&PutSet{Name: "all-nodes", Spec: &Nodes{}},
			&PutSet{Name: "lan", Spec: &Addresses{Blocks: []Block{
				{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16", "10.2.0.0/16"}},
				{CIDR: "2001:db8::/32"},
			}}},
			&PutSet{Name: "no-address", Spec: &Addresses{}},
			&PutSet{Name: "no-spec"},
			&PatchSet{Name: "lan", Add: []Block{{CIDR: "192.0.2.0/24", Except: []string{"192.0.2.1/32"}}, {}}, Remove: []string{"10.0.0.0/8", "2001:db8::/32"}},
			&DeleteSet{Name: "lan"},
			&DeleteSet{},
		}},
		{name: "requests-rules", requests: []Request{
			&PutRule{Name: "shop/db-from-web/ingress/0", Spec: RuleSpec{
				Tier: Network, Direction: Ingress, Priority: 1000,
				Subjects: []string{"db", "cache"}, Peers: []string{"web"},
				Ports: []Port{
					{Protocol: TCP, First: 5432, Last: 5432},
					{Protocol: UDP, First: 1, Last: 65535},
					{Protocol: SCTP, Name: "sctp-port"},
					{Protocol: ICMP, ICMP: &ICMPKind{Type: 8, AnyCode: true}},
					{Protocol: ICMPv6, ICMP: &ICMPKind{Type: 128, Code: 255}},
					{Protocol: ICMP, ICMP: &ICMPKind{}},
					{},
				},
				Action: Allow, Log: true,
				Origin: Origin{Resource: policies, Namespace: "shop", Name: "db-from-web", Rule: "ingress[0]"},
			}},
			&PutRule{Name: "deny", Spec: RuleSpec{Tier: Admin, Direction: Egress, Priority: math.MinInt32, AnyPeer: true, Action: Deny}},
			&PutRule{Name: "reject", Spec: RuleSpec{Tier: Baseline, Priority: math.MaxInt32, Action: Reject}},
			&PutRule{Name: "pass", Spec: RuleSpec{Priority: -1, Action: Pass}},
			&PutRule{Name: "bare"},
			&DeleteRule{Name: "pass"},
			&PutIsolation{Name: "iso", Spec: IsolationSpec{Tier: Network, Direction: Egress, Subjects: []string{"db"}, Origin: Origin{Name: "db-from-web"}}},
			&PutIsolation{},
			&DeleteIsolation{Name: "iso"},
			&Report{
				Object:    Origin{Resource: policies, Namespace: "shop", Name: "bad", Rule: "egress[1]"},
				Condition: Condition{Type: "Accepted", Reason: "PortName", Message: `port "http" names nothing`},
			},
			&Report{Condition: Condition{Type: "Accepted", True: true}},
			&Report{},
		}},
		{name: "requests-large", requests: []Request{
			&PutRule{Name: strings.Repeat("n", MaxName), Spec: RuleSpec{Subjects: []string{"s"}, Ports: manyPorts}},
		}},
		{name: "variant-batch-unknown", variant: true, batch: &EventBatch{Sequence: 9, Events: []Event{
			&Tick{UnixNanos: 5},
		}}},
		{name: "variant-batch-repeated", variant: true, batch: &EventBatch{Sequence: 2, Events: []Event{
			&Tick{UnixNanos: 2},
			&ObjectPut{Name: "a", UID: "b", Generation: 2},
		}}},
		{name: "variant-requests-unknown", variant: true, requests: []Request{
			&PutRule{Name: "r", Spec: RuleSpec{Priority: 4}},
		}},
		{name: "variant-requests-repeated", variant: true, requests: []Request{
			&PutRule{Name: "b", Spec: RuleSpec{Priority: -7, Subjects: []string{"s", "t"}, Ports: []Port{{Protocol: TCP}}}},
			&DeleteRule{Name: "kept"},
		}},
	}
}
