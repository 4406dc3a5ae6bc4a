package translate

import (
	"errors"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/sdk/go/kube"
	"github.com/sluice-net/sluice/sdk/go/kube/requesttext"
)

// The tests are named after the number of the required behaviour. Each gives the
// spec of a policy p and the requests it must become; sets and rules are printed
// by requesttext, and the resource is cut from the origins.

type golden struct {
	what string
	spec string
	want string
}

func check(t *testing.T, cases []golden) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			requests, err := Policy("", "p", object(t, c.spec))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(strings.ReplaceAll(requesttext.Of(requests), Resource+" /p ", ""), Resource+" /p", "p")
			if want := strings.ReplaceAll(strings.TrimLeft(c.want, "\n"), "\t", ""); got != want {
				t.Errorf("spec: %s\ngot:\n%s\nwant:\n%s", c.spec, got, want)
			}
		})
	}
}

type wrong struct {
	spec string
	want string
}

func checkErrors(t *testing.T, cases []wrong) {
	t.Helper()
	for _, c := range cases {
		requests, err := Policy("", "p", object(t, c.spec))
		var field *kube.FieldError
		if !errors.As(err, &field) || err.Error() != c.want {
			t.Errorf("spec: %s\ngot:  %v\nwant: %s", c.spec, err, c.want)
		}
		if requests != nil {
			t.Errorf("spec: %s: an error and requests as well", c.spec)
		}
	}
}

// object makes a ClusterNetworkPolicy of a spec in YAML.
func object(t testing.TB, spec string) []byte {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nspec: " + spec))
	if err != nil {
		t.Fatal(err)
	}
	return json
}

func TestSemantics31TiersAndActions(t *testing.T) {
	check(t, []golden{
		{"admin", `{tier: Admin, priority: 10, subject: {namespaces: {}},
			ingress: [{action: Pass, name: mind-your-own, from: [{namespaces: {matchLabels: {team: a}}}]},
			          {action: Deny, from: [{namespaces: {}}]}],
			egress: [{action: Accept, name: dns, to: [{pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {app: dns}}}}]}]}`, `
		set pods:[]| = pods {} in namespaces {}
		set pods:[team=a]| = pods {} in namespaces {team=a}
		set pods:[kubernetes.io/metadata.name=kube-system]|app=dns = pods {app=dns} in namespaces {kubernetes.io/metadata.name=kube-system}
		rule p/ingress[0] = admin pass ingress of [pods:[]|] at 24774 with [pods:[team=a]|] (ingress[0] mind-your-own)
		rule p/ingress[1] = admin deny ingress of [pods:[]|] at 24773 with [pods:[]|] (ingress[1])
		rule p/egress[0] = admin allow egress of [pods:[]|] at 24774 with [pods:[kubernetes.io/metadata.name=kube-system]|app=dns] (egress[0] dns)
		`},
		{"baseline", `{tier: Baseline, priority: 0, subject: {pods: {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}`, `
		set pods:[team=a]|app=web = pods {app=web} in namespaces {team=a}
		set pods:[]| = pods {} in namespaces {}
		rule p/ingress[0] = baseline deny ingress of [pods:[team=a]|app=web] at 25024 with [pods:[]|] (ingress[0])
		`},
		{"no rules, no requests and no isolation", `{tier: Admin, priority: 1000, subject: {namespaces: {}}, ingress: []}`, ``},
		{"namespaceSelector left out", `{tier: Admin, priority: 1000, subject: {pods: {podSelector: {}}}, egress: [{action: Deny, to: [{pods: {podSelector: {matchLabels: {a: b}}}}]}]}`, `
		set pods:[]| = pods {} in namespaces {}
		set pods:[]|a=b = pods {a=b} in namespaces {}
		rule p/egress[0] = admin deny egress of [pods:[]|] at 24 with [pods:[]|a=b] (egress[0])
		`},
	})
}

func TestSemantics31PriorityKeepsTheOrder(t *testing.T) {
	// Every rule of a policy is asked after those before it, and before all of a
	// policy with a higher number.
	last := priority(0, 0) + 1
	for policy := range int64(maxPriority + 1) {
		for index := range maxRules {
			p := priority(policy, index)
			if p >= last || p < 0 {
				t.Fatalf("rule %d of a policy at %d has priority %d, the rule before it %d", index, policy, p, last)
			}
			last = p
		}
	}
}

// egress is the golden list of a policy with one egress rule.
func egress(sets, match string) string {
	return "set pods:[]| = pods {} in namespaces {}\n" + sets + "rule p/egress[0] = admin deny egress of [pods:[]|] at 25024 with " + match + " (egress[0])\n"
}

const spec0 = `tier: Admin, priority: 0, subject: {namespaces: {}}, `

func TestSemantics31Peers(t *testing.T) {
	check(t, []golden{
		{
			"nodes", `{` + spec0 + `egress: [{action: Deny, to: [{nodes: {matchLabels: {role: control-plane}}}]}]}`,
			egress("set nodes:role=control-plane = nodes {role=control-plane}\n", "[nodes:role=control-plane]"),
		},
		{
			"all nodes", `{` + spec0 + `egress: [{action: Deny, to: [{nodes: {}}]}]}`,
			egress("set nodes: = nodes {}\n", "[nodes:]"),
		},
		{
			"networks of one rule make one set", `{` + spec0 + `egress: [{action: Deny, to: [{networks: [10.0.0.0/8, "fd00::/8"]}, {namespaces: {}}, {networks: [192.0.2.0/24, 10.0.0.0/8]}]}]}`,
			egress("set addresses:10.0.0.0/8,192.0.2.0/24,fd00::/8 = addresses 10.0.0.0/8, 192.0.2.0/24, fd00::/8\n", "[addresses:10.0.0.0/8,192.0.2.0/24,fd00::/8 pods:[]|]"),
		},
		{
			"all of IPv4 is not everything", `{` + spec0 + `egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}`,
			egress("set addresses:0.0.0.0/0 = addresses 0.0.0.0/0\n", "[addresses:0.0.0.0/0]"),
		},
	})
	checkErrors(t, []wrong{
		{`{` + spec0 + `egress: [{action: Deny, to: [{networks: []}]}]}`, "spec.egress[0].to[0].networks: needs at least one CIDR"},
		{`{` + spec0 + `egress: [{action: Deny, to: [{networks: [ten]}]}]}`, `spec.egress[0].to[0].networks[0]: "ten" is no CIDR such as "10.0.0.0/8" or "fd00::/8"`},
		{`{` + spec0 + `egress: [{action: Deny, to: [{namespaces: {}, nodes: {}}]}]}`, "spec.egress[0].to[0]: sets more than one kind of peer; they are ORed, so give each an entry of its own"},
		{`{` + spec0 + `egress: [{action: Deny, to: [{pods: {namespaceSelector: {}}}]}]}`, "spec.egress[0].to[0].pods.podSelector: is required"},
		{`{` + spec0 + `egress: [{action: Deny, to: [{namespaces: {matchLabel: {a: b}}}]}]}`, `spec.egress[0].to[0].namespaces: has only fields that are not known ("matchLabel"), and is not read as {}, which selects everything`},
		{`{` + spec0 + `egress: [{action: Deny, to: []}]}`, "spec.egress[0].to: needs at least one peer"},
		{`{` + spec0 + `egress: [{action: Deny}]}`, "spec.egress[0].to: needs at least one peer"},
		{`{` + spec0 + `ingress: [{action: Deny, to: [{namespaces: {}}]}]}`, "spec.ingress[0].from: needs at least one peer"},
	})
}

func TestSemantics31Protocols(t *testing.T) {
	on := func(ports string) string { return egress("", "[pods:[]|] on "+ports) }
	rule := func(protocols string) string {
		return `{` + spec0 + `egress: [{action: Deny, to: [{namespaces: {}}], protocols: ` + protocols + `}]}`
	}
	check(t, []golden{
		{"left out", `{` + spec0 + `egress: [{action: Deny, to: [{namespaces: {}}]}]}`, egress("", "[pods:[]|]")},
		{"numbers and ranges", rule(`[{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {range: {start: 80, end: 90}}}}, {sctp: {destinationPort: {number: 1}}}]`), on("TCP/80-90 UDP/53 SCTP/1")},
		{"a name is a port of each protocol", rule(`[{destinationNamedPort: http}]`), on("TCP/http UDP/http SCTP/http")},
		{"a name that no port has", rule(`[{destinationNamedPort: HTTP}]`), on("TCP/HTTP UDP/HTTP SCTP/HTTP")},
	})
	checkErrors(t, []wrong{
		{rule(`[]`), "spec.egress[0].protocols: needs at least one entry, or is left out"},
		{rule(`[{tcp: {destinationPort: {number: 0}}}]`), "spec.egress[0].protocols[0].tcp.destinationPort.number: 0 is no port number (1 to 65535)"},
		{rule(`[{tcp: {destinationPort: {range: {start: 9, end: 9}}}}]`), "spec.egress[0].protocols[0].tcp.destinationPort.range: start must be less than end"},
		{rule(`[{tcp: {destinationPort: {range: {start: 9}}}}]`), "spec.egress[0].protocols[0].tcp.destinationPort.range.end: is required"},
		{rule(`[{tcp: {destinationPort: {range: {end: 9}}}}]`), "spec.egress[0].protocols[0].tcp.destinationPort.range.start: is required"},
		{rule(`[{tcp: {destinationPort: {number: 1, range: {start: 1, end: 9}}}}]`), "spec.egress[0].protocols[0].tcp.destinationPort: sets both number and range"},
		{rule(`[{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}]`), "spec.egress[0].protocols[0]: sets more than one protocol; they are ORed, so give each an entry of its own"},
		{rule(`[{destinationNamedPort: ""}]`), "spec.egress[0].protocols[0].destinationNamedPort: must have 1 to 253 bytes"},
	})
}

// TestSemantics31FailsClosed: "If an implementation sees no fields are set then
// it can infer that the deployed CRD is of an incompatible version with an
// unknown field. In that case it should fail closed."
func TestSemantics31FailsClosed(t *testing.T) {
	all := "set pods:[]| = pods {} in namespaces {}\n"
	check(t, []golden{
		{"accept matches nothing", `{` + spec0 + `egress: [{action: Accept, to: [{}, {namespaces: {}}]}, {action: Accept, to: [{namespaces: {}}]}]}`, all +
			"rule p/egress[1] = admin allow egress of [pods:[]|] at 25023 with [pods:[]|] (egress[1])\n" +
			"report p: Accepted true FailedClosed: spec.egress[0].to[0] is no peer of a known kind, so the rule accepts nothing\n"},
		{"deny denies everything", `{` + spec0 + `ingress: [{action: Deny, from: [{namespaces: {}}, {galaxies: {}}], protocols: [{tcp: {destinationPort: {number: 1}}}]}]}`, all +
			"rule p/ingress[0] = admin deny ingress of [pods:[]|] at 25024 with any (ingress[0])\n" +
			"report p: Accepted true FailedClosed: spec.ingress[0].from[1] is no peer of a known kind, so the rule denies everything\n"},
		{"pass denies everything", `{` + spec0 + `egress: [{action: Pass, to: [{domainNames: [example.org]}]}]}`, all +
			"rule p/egress[0] = admin deny egress of [pods:[]|] at 25024 with any (egress[0])\n" +
			"report p: Accepted true FailedClosed: spec.egress[0].to[0] is no peer of a known kind, so the rule denies everything\n"},
		{
			"nodes and networks are no sources", `{` + spec0 + `ingress: [{action: Accept, from: [{nodes: {}}]}, {action: Accept, from: [{networks: [10.0.0.0/8]}]}]}`,
			"report p: Accepted true FailedClosed: spec.ingress[0].from[0] is no peer of a known kind, so the rule accepts nothing; spec.ingress[1].from[0] is no peer of a known kind, so the rule accepts nothing\n",
		},
		{"a protocol that is not known", `{` + spec0 + `egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{icmp: {type: 8}}]}]}`, all +
			"rule p/egress[0] = admin deny egress of [pods:[]|] at 25024 with any (egress[0])\n" +
			"report p: Accepted true FailedClosed: spec.egress[0].protocols[0] says nothing known of a protocol, so the rule denies everything\n"},
		{
			"a match on TCP that is not known", `{` + spec0 + `egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {sourcePort: {number: 8}}}, {udp: {destinationPort: {name: x}}}]}]}`,
			"report p: Accepted true FailedClosed: spec.egress[0].protocols[1] says nothing known of a protocol, so the rule accepts nothing\n",
		},
	})
}

func TestErrorsNameTheField(t *testing.T) {
	many := strings.Repeat(`{action: Deny, to: [{namespaces: {}}]},`, maxRules+1)
	checkErrors(t, []wrong{
		{`null`, "spec: is required"},
		{`{}`, "spec.tier: is required"},
		{`{tier: Network}`, `spec.tier: is neither "Admin" nor "Baseline"`},
		{`{tier: Admin, subject: {namespaces: {}}}`, "spec.priority: is required"},
		{`{tier: Admin, priority: 1001}`, "spec.priority: 1001 is no priority (0 to 1000)"},
		{`{tier: Admin, priority: -1}`, "spec.priority: -1 is no priority (0 to 1000)"},
		{`{tier: Admin, priority: 1}`, "spec.subject: is required"},
		{`{tier: Admin, priority: 1, subject: {}}`, "spec.subject: must set one of namespaces and pods"},
		{`{tier: Admin, priority: 1, subject: {serviceAccounts: {}}}`, "spec.subject: must set one of namespaces and pods"},
		{`{tier: Admin, priority: 1, subject: {namespaces: {}, pods: {podSelector: {}}}}`, "spec.subject: must set one of namespaces and pods"},
		{`{tier: Admin, priority: 1, subject: {pods: {}}}`, "spec.subject.pods.podSelector: is required"},
		{`{` + spec0 + `egress: [{to: [{namespaces: {}}]}]}`, "spec.egress[0].action: is required"},
		{`{` + spec0 + `egress: [{action: Allow, to: [{namespaces: {}}]}]}`, "spec.egress[0].action: is none of Accept, Deny, Pass"},
		{`{` + spec0 + `egress: [{action: Deny, to: [null]}]}`, "spec.egress[0].to[0]: is null"},
		{`{` + spec0 + `egress: [` + many + `]}`, "spec.egress[25]: is one rule too many: the limit is 25 in each direction; use another policy"},
	})
	for json, want := range map[string]string{``: "is no JSON object", `null`: "is no JSON object", `{}`: "spec: is required"} {
		if _, err := Policy("", "p", []byte(json)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", json, err, want)
		}
	}
}
