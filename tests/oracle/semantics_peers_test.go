package oracle

import (
	"testing"

	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
)

const twoSpaces = `
	namespace one team=red
	namespace two team=blue
	pod one/server 10.0.0.1 app=server
	pod one/client 10.0.0.2 app=client
	pod one/plain 10.0.0.3
	pod two/client 10.0.1.2 app=client
	pod two/plain 10.0.1.3
`

func TestSemantics01EmptyPodSelector(t *testing.T) {
	for _, spec := range []string{"podSelector: {}", "policyTypes: [Ingress]"} {
		expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", spec)), `
			one/client > one/server TCP 80 deny
			one/server > one/plain  TCP 80 deny
			one/client > two/client TCP 80 allow
		`)
	}
}

func TestSemantics02NilAndEmptyNamespaceSelector(t *testing.T) {
	expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", `
podSelector: {matchLabels: {app: server}}
ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
`)), `
		one/client > one/server TCP 80 allow
		two/client > one/server TCP 80 deny
		one/plain  > one/server TCP 80 deny
	`)
	expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", `
podSelector: {matchLabels: {app: server}}
ingress: [{from: [{namespaceSelector: {}}]}]
`)), `
		two/plain > one/server TCP 80 allow
		8.8.8.8   > one/server TCP 80 deny
	`)
	empty := `{"spec": {"podSelector": {}, "ingress": [{"from": [{}]}]}}`
	if requests, err := translate.Policy("one", "p", []byte(empty)); err == nil || len(requests) > 0 {
		t.Errorf("a peer with nothing set is taken for %+v", requests)
	}
}

func TestSemantics03SelectorsOfOnePeerAreANDedPeersAreORed(t *testing.T) {
	expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", `
podSelector: {matchLabels: {app: server}}
ingress: [{from: [{podSelector: {matchLabels: {app: client}}, namespaceSelector: {matchLabels: {team: blue}}}]}]
`)), `
		two/client > one/server TCP 80 allow
		two/plain  > one/server TCP 80 deny
		one/client > one/server TCP 80 deny
	`)
	expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", `
podSelector: {matchLabels: {app: server}}
ingress: [{from: [{podSelector: {matchLabels: {app: client}}}, {namespaceSelector: {matchLabels: {team: blue}}}]}]
`)), `
		two/client > one/server TCP 80 allow
		two/plain  > one/server TCP 80 allow
		one/client > one/server TCP 80 allow
		one/plain  > one/server TCP 80 deny
	`)
}

func TestSemantics04AbsentKeys(t *testing.T) {
	for _, requirement := range []string{"{key: app, operator: NotIn, values: [client]}", "{key: app, operator: DoesNotExist}"} {
		expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", `
podSelector: {matchLabels: {app: server}}
ingress: [{from: [{podSelector: {matchExpressions: [`+requirement+`]}}]}]
`)), `
			one/plain  > one/server TCP 80 allow
			one/client > one/server TCP 80 deny
		`)
	}
}

func TestSemantics05PolicyTypes(t *testing.T) {
	for spec, want := range map[string]string{
		"podSelector: {matchLabels: {app: server}}\negress: [{to: [{podSelector: {}}]}]": `
			one/client > one/server TCP 80 deny
			one/server > one/client TCP 80 allow
			one/server > two/client TCP 80 deny`,
		"podSelector: {matchLabels: {app: server}}\negress: []": `
			one/client > one/server TCP 80 deny
			one/server > two/client TCP 80 allow`,
		"podSelector: {matchLabels: {app: server}}\npolicyTypes: [Egress]\ningress: [{}]": `
			one/client > one/server TCP 80 allow
			one/server > two/client TCP 80 deny`,
		"podSelector: {matchLabels: {app: server}}\npolicyTypes: [Ingress]\negress: [{to: [{podSelector: {}}]}]": `
			one/client > one/server TCP 80 deny
			one/server > two/client TCP 80 allow`,
	} {
		expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", spec)), want)
	}
}

func TestSemantics06EmptyLists(t *testing.T) {
	for spec, want := range map[string]string{
		"podSelector: {}\ningress: []":                      "8.8.8.8 > one/server TCP 80 deny",
		"podSelector: {}\ningress: [{}]":                    "8.8.8.8 > one/server UDP 9 allow",
		"podSelector: {}\ningress: [{from: [], ports: []}]": "8.8.8.8 > one/server UDP 9 allow",
		"podSelector: {}\ningress: [{from: [], ports: [{port: 80}]}]": `
			8.8.8.8 > one/server TCP 80 allow
			8.8.8.8 > one/server TCP 81 deny`,
		"podSelector: {}\ningress: [{from: [{podSelector: {}}], ports: []}]": `
			8.8.8.8    > one/server UDP 9 deny
			one/client > one/server UDP 9 allow`,
	} {
		expect(t, clusterOf(t, twoSpaces, policyOf("one", "p", spec)), want)
	}
}

func TestSemantics07UnionAndBothEnds(t *testing.T) {
	c := clusterOf(
		t, twoSpaces,
		policyOf("one", "default-deny", "podSelector: {}\npolicyTypes: [Ingress, Egress]"),
		policyOf("one", "server", "podSelector: {matchLabels: {app: server}}\ningress: [{from: [{podSelector: {}}]}]"),
		policyOf("one", "client", "podSelector: {matchLabels: {app: client}}\npolicyTypes: [Egress]\negress: [{ports: [{port: 80}]}]"),
	)
	expect(t, c, `
		one/client > one/server TCP 80 allow
		one/client > one/server TCP 81 deny
		one/plain  > one/server TCP 80 deny
		one/client > one/plain  TCP 80 deny
		one/client > two/plain  TCP 80 allow
	`)
	view := viewOf(t, c)
	denied := by(t, c, view, "one/plain > one/server TCP 80 ?").Egress
	if len(denied.Isolations) != 1 || denied.Origin.Name != "default-deny" {
		t.Errorf("the isolating policy is not named: %+v", denied)
	}
	allowed := by(t, c, view, "one/client > one/server TCP 80 ?").Ingress
	if allowed.Origin.Namespace != "one" || allowed.Origin.Name != "server" || allowed.Origin.Rule != "ingress[0]" {
		t.Errorf("the allowing rule is not named in its author's words: %+v", allowed)
	}
}

func TestSemantics08Namespaces(t *testing.T) {
	byLabel := policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]")
	c := clusterOf(t, twoSpaces, byLabel)
	expect(t, c, "two/client > one/server TCP 80 allow")
	c.Namespaces[1].Labels["team"] = "green"
	expect(t, c, "two/client > one/server TCP 80 deny")

	byName := policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: two}}}]}]")
	expect(t, clusterOf(t, twoSpaces, byName), `
		two/client > one/server TCP 80 allow
		one/client > one/server TCP 80 deny
	`)

	// The Pods are there, their namespaces are not yet.
	pods := "pod one/server 10.0.0.1 app=server\npod one/client 10.0.0.2\npod two/client 10.0.1.2"
	all := policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{from: [{namespaceSelector: {}}]}]")
	early := clusterOf(t, pods, all)
	expect(t, early, "two/client > one/server TCP 80 deny")
	expect(t, clusterOf(t, pods+"\nnamespace two", all), "two/client > one/server TCP 80 allow")
	own := policyOf("one", "p", "podSelector: {matchLabels: {app: server}}\ningress: [{from: [{podSelector: {}}]}]")
	expect(t, clusterOf(t, pods, own), `
		one/client > one/server TCP 80 allow
		two/client > one/server TCP 80 deny
	`)
}
