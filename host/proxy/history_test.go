package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// However objects came, changed and went, the outcome is that of a Model that
// sees the last of them alone, in any order; and Problems and listing are too.
func TestHistoryIsFreshStart(t *testing.T) {
	for seed := range uint64(60) {
		for _, fromPods := range []bool{false, true} {
			random := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(Options{EndpointsFromPods: fromPods})
			objects := map[string]event{}
			for range 120 {
				e := randomObject(t, random)
				key := e.Resource + "/" + e.Namespace + "/" + e.Name
				if _, there := objects[key]; there && random.IntN(3) == 0 {
					e = deleted(e)
					delete(objects, key)
				} else {
					objects[key] = e
				}
				w.Apply([]event{e})
				if random.IntN(4) == 0 {
					w.flush(t)
				}
			}
			w.flush(t)

			fresh := newWorld(Options{EndpointsFromPods: fromPods})
			for _, e := range objects { // in the order of a map, which is none
				fresh.Apply([]event{e})
			}
			fresh.flush(t)
			if got, want := w.shown(), fresh.shown(); got != want {
				t.Fatalf("seed %d: after a history\n%s\nfrom a fresh start\n%s", seed, got, want)
			}
			if got, want := join(w.Problems(), "\n"), join(fresh.Problems(), "\n"); got != want {
				t.Fatalf("seed %d: problems after a history\n%s\nfrom a fresh start\n%s", seed, got, want)
			}
			if got, want := fmt.Sprint(w.Services(), w.Counts()), fmt.Sprint(fresh.Services(), fresh.Counts()); got != want {
				t.Fatalf("seed %d: listing after a history\n%s\nfrom a fresh start\n%s", seed, got, want)
			}
			for _, e := range objects {
				w.Apply([]event{deleted(e)})
			}
			w.flush(t)
			if len(w.ports)+len(w.services)+len(w.slices)+len(w.owner)+len(w.claims)+len(w.compiled) > 0 || w.Counts() != (Counts{}) {
				t.Fatalf("seed %d: something is left when all objects are gone: %+v", seed, w.Model)
			}
		}
	}
}

// randomObject is one of a few of each kind, so that they meet.
func randomObject(t *testing.T, random *rand.Rand) event {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	maybe := func(words ...string) string { return pick(append(words, "", "")...) }
	name := pick("web", "api", "dns")
	endpoints := func(ips ...string) string {
		var b strings.Builder
		for range random.IntN(4) {
			b.WriteString(endpointWith(pick(ips...), pick("here", "there"), pick(
				"conditions: {ready: true}", "conditions: {ready: true}", "conditions: {ready: false}",
				"conditions: {ready: false, serving: true, terminating: true}", "hints: {forZones: [{name: east}]}", "hints: {forNodes: [{name: here}]}")))
		}
		if b.Len() == 0 {
			return "  []"
		}
		return b.String()
	}
	switch random.IntN(6) {
	case 0, 1:
		spec := []string{
			"ports: [" + pick("{name: a, port: 80, targetPort: http}", "{name: a, port: 80}, {name: b, port: 53, protocol: UDP}", "{name: a, port: 0}, {name: b, port: 80}") + "]",
			maybe("externalIPs: [192.0.2.1]", "externalIPs: [192.0.2.1, 192.0.2.2, 'fd00::9']", "externalIPs: [10.96.0.1]"),
			maybe("internalTrafficPolicy: Local"), maybe("sessionAffinity: ClientIP"), maybe("selector: {app: web}"), maybe("publishNotReadyAddresses: true"),
			maybe("trafficDistribution: PreferClose", "trafficDistribution: PreferSameNode"),
			pick("clusterIP: 10.96.0.1", "clusterIP: 10.96.0.2", "clusterIP: 10.96.0.3\nclusterIPs: [10.96.0.3, 'fd00::3']", "clusterIP: None"),
		}
		text := webNamed(name, "", strings.ReplaceAll(strings.Join(spec, "\n"), "\n\n", "\n"))
		text = strings.Replace(text, "name: "+name, "name: "+name+maybe(", creationTimestamp: 2020-01-01T00:00:00Z", ", labels: {service.kubernetes.io/service-proxy-name: x}"), 1)
		return parse(t, text)[0]
	case 2, 3:
		text := strings.Replace(sliceOf(pick("one", "two", "three"), endpoints("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::a")), "service-name: web", "service-name: "+name, 1)
		return parse(t, strings.Replace(text, "{name: '', port: 8080}", pick("{name: a, port: 8080}", "{name: a, port: 80}, {name: b, port: 53, protocol: UDP}"), 1))[0]
	case 4:
		return parse(t, "kind: Node\nmetadata: {name: "+pick("here", "there")+maybe(", labels: {topology.kubernetes.io/zone: east}", ", labels: {topology.kubernetes.io/zone: west}")+"}")[0]
	default:
		text := pod(pick("a", "b", "c"), pick("10.0.0.1", "10.0.0.2", "10.0.0.3"), pick("here", "there"), maybe(", hostNetwork: true", ", containers: [{name: c, ports: [{name: http, containerPort: 81}]}]"))
		return parse(t, strings.Replace(text, "app: web", "app: "+pick("web", "db"), 1))[0]
	}
}
