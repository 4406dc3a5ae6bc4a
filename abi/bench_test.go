package abi

import (
	"strconv"
	"strings"
	"testing"
)

// A snapshot of a cluster: 11,000 events.
func snapshot() *EventBatch {
	batch := &EventBatch{Sequence: 1, Reset: true}
	json := []byte(`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p"},"spec":{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{"from":[{"podSelector":{}}]}]}}`)
	for i := range 11000 {
		batch.Events = append(batch.Events, &ObjectPut{
			Resource: "networkpolicies.networking.k8s.io", Namespace: "ns" + strconv.Itoa(i/100), Name: "policy-" + strconv.Itoa(i),
			UID: "0b9a3c0e-6d7e-4d0a-9f64-" + strconv.Itoa(100000000000+i), Generation: int64(i), JSON: json,
		})
	}
	return batch
}

func requests() []Request {
	var all []Request
	for i := range 10000 {
		all = append(all, &PutRule{Name: "ns/policy/ingress/" + strconv.Itoa(i), Spec: RuleSpec{
			Tier: Network, Direction: Ingress, Subjects: []string{"subject-" + strconv.Itoa(i/10)}, Peers: []string{"peer-" + strconv.Itoa(i)},
			Ports: []Port{{Protocol: TCP, First: 80, Last: 80}}, Action: Allow,
			Origin: Origin{Resource: "networkpolicies.networking.k8s.io", Namespace: "ns", Name: strings.Repeat("p", 10), Rule: "ingress[0]"},
		}})
	}
	return all
}

func BenchmarkAppendEventBatch(b *testing.B) {
	batch := snapshot()
	buf := AppendEventBatch(nil, batch)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEventBatch(buf[:0], batch)
	}
}

func BenchmarkDecodeEvents(b *testing.B) {
	buf := AppendEventBatch(nil, snapshot())
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeEvents(buf, func(Event) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	all := requests()
	buf := appendAll(nil, all)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = appendAll(buf[:0], all)
	}
}

func BenchmarkDecodeRequests(b *testing.B) {
	buf := appendAll(nil, requests())
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeRequests(buf, func(Request) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
