package cluster

import (
	"bytes"
	"strings"
	"testing"
)

// readOne is what a directory with one file comes to.
func readOne(s *state, name string, data []byte) []Event {
	return s.update([]root{{given: "dir", files: []file{{path: name, data: bytes.Clone(data)}}}}, map[string]bool{"widgets.example.org": true})
}

// FuzzLoad feeds arbitrary files. Whatever is accepted must be a fixed point:
// read again from what was told, it is the same object without a problem.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		shop,
		policy("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 80, endPort: 90}, {port: http}]}]"),
		policy("podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}\npolicyTypes: [Egress]"),
		`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"a":1.5,"b":[null,true]}}]}`,
		"apiVersion: v1\nkind: Pod\nmetadata: &m {name: a, creationTimestamp: 2020-01-01T00:00:00Z}\n---\n{<<: *m}\n",
		"a: b: c\n---\n- 1\n---\n\"\n",
		service("clusterIPs: [10.96.0.1, fd00::1]\nsessionAffinity: ClientIP\nexternalIPs: [192.0.2.1]"),
		endpoints("endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}, nodeName: n1, hints: {forZones: [{name: a}]}}]"),
		"kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {activeDeadlineSeconds: 1e3, containers: [{name: c, resources: {limits: {cpu: 1m}}}]}",
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		name := map[bool]string{false: "a.yaml", true: "a.json"}[asJSON]
		var s state
		events := readOne(&s, name, data)
		for _, p := range s.problems {
			if p.File != name || p.Reason == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("problem %#v", p)
			}
		}
		for _, e := range events {
			if e.Op != Put || e.Name == "" || e.Resource == "" || e.UID == "" || e.Generation == 0 {
				t.Fatalf("event %+v", e)
			}
			var again state
			repeated := readOne(&again, "a.json", e.JSON)
			if len(again.problems) > 0 {
				t.Fatalf("%s is refused when read again: %v", e.JSON, again.problems)
			}
			last := repeated[len(repeated)-1]
			if e.Resource == Namespaces {
				last = repeated[0]
			}
			if again.objects[key{e.Resource, e.Namespace, e.Name}].content != s.objects[key{e.Resource, e.Namespace, e.Name}].content {
				t.Fatalf("%s became %s when read again", e.JSON, last.JSON)
			}
		}
		if more := readOne(&s, name, data); len(more) > 0 {
			t.Fatalf("the same file read again gave\n%s", names(more))
		}
	})
}

// FuzzKeep overwrites a good policy with an arbitrary file: unless the file was
// understood in whole, the policy stays.
func FuzzKeep(f *testing.F) {
	good := policy("podSelector: {}")
	for i := range len(good) {
		f.Add([]byte(good[:i]))
	}
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s state
		readOne(&s, "a.yaml", []byte(good))
		readOne(&s, "a.yaml", data)
		if s.objects[key{NetworkPolicies, "shop", "web"}] != nil {
			return
		}
		for _, p := range s.problems {
			if p.Object == "" {
				t.Fatalf("the policy went although %s", p)
			}
		}
	})
}
