package translate

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/sdk/go/kube/requesttext"
)

// The tests are named after the numbers of the list of required behaviours. Each
// gives the spec of a policy shop/p and the requests it must become; sets and
// rules are printed by requesttext, and the resource is cut from the origins.

type golden struct {
	what string
	spec string
	want string
}

func check(t *testing.T, cases []golden) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			requests, err := Policy("shop", "p", object(t, c.spec))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(requesttext.Of(requests), Resource+" shop/p ", "")
			if want := strings.ReplaceAll(strings.TrimLeft(c.want, "\n"), "\t", ""); got != want {
				t.Errorf("spec: %s\ngot:\n%s\nwant:\n%s", c.spec, got, want)
			}
		})
	}
}

// object makes a NetworkPolicy of a spec in YAML.
func object(t testing.TB, spec string) []byte {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nspec: " + spec))
	if err != nil {
		t.Fatal(err)
	}
	return json
}

func TestSemantics01EmptyPodSelectorIsEveryPodOfTheNamespace(t *testing.T) {
	want := `
	set pods:shop| = pods {} in [shop]
	isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
	`
	check(t, []golden{
		{"empty", `{podSelector: {}}`, want},
		{"missing", `{}`, want},
		{"null", `{podSelector: null}`, want},
		{"empty members", `{podSelector: {matchLabels: {}, matchExpressions: []}}`, want},
	})
}

func TestSemantics02NamespaceOfAPeer(t *testing.T) {
	check(t, []golden{
		{"own, empty and selected namespaces", `{ingress: [
			{from: [{podSelector: {}}]},
			{from: [{namespaceSelector: {}}]},
			{from: [{namespaceSelector: {matchLabels: {team: a}}}]},
			{from: [{namespaceSelector: null, podSelector: {matchLabels: {app: web}}}]}]}`, `
		set pods:shop| = pods {} in [shop]
		set pods:[]| = pods {} in namespaces {}
		set pods:[team=a]| = pods {} in namespaces {team=a}
		set pods:shop|app=web = pods {app=web} in [shop]
		rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with [pods:shop|] (ingress[0])
		rule shop/p/ingress[1] = network allow ingress of [pods:shop|] with [pods:[]|] (ingress[1])
		rule shop/p/ingress[2] = network allow ingress of [pods:shop|] with [pods:[team=a]|] (ingress[2])
		rule shop/p/ingress[3] = network allow ingress of [pods:shop|] with [pods:shop|app=web] (ingress[3])
		isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
		`},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{from: [{podSelector: {}}, {}]}]}`, "spec.ingress[0].from[1]: sets none of podSelector, namespaceSelector and ipBlock, so it selects nobody"},
		{`{ingress: [{from: [{serviceSelector: {}}]}]}`, "spec.ingress[0].from[0]: sets none of podSelector, namespaceSelector and ipBlock, so it selects nobody"},
		{`{egress: [{to: [{podSelector: null}]}]}`, "spec.egress[0].to[0]: sets none of podSelector, namespaceSelector and ipBlock, so it selects nobody"},
		{`{egress: [{to: [null]}]}`, "spec.egress[0].to[0]: is null"},
	})
}

func TestSemantics03PartsOfAPeerAreAndedPeersAreOred(t *testing.T) {
	check(t, []golden{{"and, or", `{ingress: [{from: [
			{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}},
			{podSelector: {matchLabels: {app: db}}},
			{podSelector: {matchExpressions: [{key: app, operator: In, values: [db]}]}}]}]}`, `
	set pods:shop| = pods {} in [shop]
	set pods:[team=a]|app=web = pods {app=web} in namespaces {team=a}
	set pods:shop|app=db = pods {app=db} in [shop]
	rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with [pods:[team=a]|app=web pods:shop|app=db] (ingress[0])
	isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
	`}})
}

func TestSemantics04OperatorsAreKept(t *testing.T) {
	check(t, []golden{{"four operators", `{podSelector: {matchLabels: {z: z}, matchExpressions: [
			{key: b, operator: NotIn, values: [v, u, v]},
			{key: c, operator: DoesNotExist},
			{key: d, operator: Exists, values: []},
			{key: a, operator: In, values: [q, p, ""]}]}}`, `
	set pods:shop|a in (,p,q),b notin (u,v),!c,d,z=z = pods {a in (,p,q),b notin (u,v),!c,d,z=z} in [shop]
	isolation shop/p/ingress = network ingress of [pods:shop|a in (,p,q),b notin (u,v),!c,d,z=z] (ingress)
	`}})
}

func TestSemantics05PolicyTypes(t *testing.T) {
	set := "set pods:shop| = pods {} in [shop]\n"
	ingress := "isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)\n"
	egress := "isolation shop/p/egress = network egress of [pods:shop|] (egress)\n"
	ingressRule := "rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with any (ingress[0])\n"
	egressRule := "rule shop/p/egress[0] = network allow egress of [pods:shop|] with any (egress[0])\n"
	check(t, []golden{
		{"omitted, nothing", `{}`, set + ingress},
		{"omitted, ingress", `{ingress: [{}]}`, set + ingressRule + ingress},
		{"omitted, egress", `{egress: [{}]}`, set + ingress + egressRule + egress},
		{"omitted, empty egress is no section", `{egress: []}`, set + ingress},
		{"empty list is omitted", `{policyTypes: [], egress: [{}]}`, set + ingress + egressRule + egress},
		{"egress only", `{policyTypes: [Egress]}`, set + egress},
		{"rules of a type not listed", `{policyTypes: [Egress], ingress: [{}], egress: [{}]}`, set + egressRule + egress},
		{"rules of the other type", `{policyTypes: [Ingress], ingress: [{}], egress: [{}]}`, set + ingressRule + ingress},
		{"both", `{policyTypes: [Egress, Ingress]}`, set + ingress + egress},
	})
}

func TestSemantics06EmptyListsInsideRules(t *testing.T) {
	set := "set pods:shop| = pods {} in [shop]\n"
	isolated := "isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)\n"
	all := "rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with any (ingress[0])\n"
	check(t, []golden{
		{"no rules isolate", `{ingress: []}`, set + isolated},
		{"the empty rule allows everything", `{ingress: [{}]}`, set + all + isolated},
		{"empty from and ports", `{ingress: [{from: [], ports: []}]}`, set + all + isolated},
		{"null from and ports", `{ingress: [{from: null, ports: null}]}`, set + all + isolated},
	})
	checkErrors(t, []wrong{
		{`{ingress: [null]}`, "spec.ingress[0]: is null"},
		{`{ingress: [{form: [{podSelector: {}}]}]}`, `spec.ingress[0]: has only fields that are not known ("form"), and is not read as {}, which allows everything`},
		{`{ingress: [{to: [{podSelector: {}}]}]}`, `spec.ingress[0]: has only fields that are not known ("to"), and is not read as {}, which allows everything`},
		{`{podSelector: {matchLabel: {a: b}}}`, `spec.podSelector: has only fields that are not known ("matchLabel"), and is not read as {}, which selects everything`},
		{`{ingress: [{ports: [{prot: UDP}]}]}`, `spec.ingress[0].ports[0]: has only fields that are not known ("prot"), and is not read as {}, which allows every TCP port`},
	})
}

func TestSemantics07PoliciesAreAUnion(t *testing.T) {
	// No priority, no action but allow; each rule by itself, also if it repeats
	// another, so that every one can be named.
	check(t, []golden{{"equal rules", `{ingress: [{ports: [{port: 80}]}, {ports: [{port: 80}]}], egress: [{ports: [{port: 80}]}]}`, `
	set pods:shop| = pods {} in [shop]
	rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with any on TCP/80 (ingress[0])
	rule shop/p/ingress[1] = network allow ingress of [pods:shop|] with any on TCP/80 (ingress[1])
	isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
	rule shop/p/egress[0] = network allow egress of [pods:shop|] with any on TCP/80 (egress[0])
	isolation shop/p/egress = network egress of [pods:shop|] (egress)
	`}})
}

func TestSemantics08NamespacesStayASelector(t *testing.T) {
	check(t, []golden{{"metadata.name", `{ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}]}]}`, `
	set pods:shop| = pods {} in [shop]
	set pods:[kubernetes.io/metadata.name=web]| = pods {} in namespaces {kubernetes.io/metadata.name=web}
	rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with [pods:[kubernetes.io/metadata.name=web]|] (ingress[0])
	isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
	`}})
}

// onPorts is the golden list of a policy with one ingress rule for ports.
func onPorts(ports string) string {
	return "set pods:shop| = pods {} in [shop]\n" +
		"rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with any on " + ports + " (ingress[0])\n" +
		"isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)\n"
}

func TestSemantics09ProtocolDefaultsToTCP(t *testing.T) {
	check(t, []golden{
		{"omitted", `{ingress: [{ports: [{port: 80}]}]}`, onPorts("TCP/80")},
		{"null", `{ingress: [{ports: [{protocol: null, port: 80}]}]}`, onPorts("TCP/80")},
		{"everything omitted", `{ingress: [{ports: [{}]}]}`, onPorts("TCP")},
		{"protocol alone", `{ingress: [{ports: [{protocol: UDP}]}]}`, onPorts("UDP")},
		{"protocols", `{ingress: [{ports: [{protocol: SCTP}, {protocol: UDP}, {protocol: TCP}]}]}`, onPorts("TCP UDP SCTP")},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{ports: [{port: 80}, {protocol: ICMP}]}]}`, `spec.ingress[0].ports[1].protocol: "ICMP" is none of TCP, UDP, SCTP`},
		{`{ingress: [{ports: [{protocol: ""}]}]}`, `spec.ingress[0].ports[0].protocol: "" is none of TCP, UDP, SCTP`},
	})
}

func TestSemantics10NamedPortsStayNames(t *testing.T) {
	check(t, []golden{
		{"ingress", `{ingress: [{ports: [{port: http}, {port: dns, protocol: UDP}]}]}`, onPorts("TCP/http UDP/dns")},
		{"egress", `{policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`, `
		set pods:shop| = pods {} in [shop]
		rule shop/p/egress[0] = network allow egress of [pods:shop|] with any on TCP/http (egress[0])
		isolation shop/p/egress = network egress of [pods:shop|] (egress)
		`},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{ports: [{port: "80"}]}]}`, `spec.ingress[0].ports[0].port: "80" is no port name, for want of a letter; a number is written without quotes`},
		{`{ingress: [{ports: [{port: ""}]}]}`, `spec.ingress[0].ports[0].port: "" is no port name (at most 15 of a-z 0-9 -, no hyphen at an end or beside another)`},
		{`{ingress: [{ports: [{port: http, endPort: 90}]}]}`, "spec.ingress[0].ports[0].endPort: needs a port that is a number, from which the range runs"},
	})
}

func TestSemantics11TwoNamesOfOneNumberAreTwoPorts(t *testing.T) {
	check(t, []golden{
		{"names and the number", `{ingress: [{ports: [{port: web}, {port: http}, {port: 80}]}]}`, onPorts("TCP/80 TCP/http TCP/web")},
	})
}

func TestSemantics12NamedPortBesideAnAddress(t *testing.T) {
	// The name stays a name: the ABI says that it matches nothing on an address
	// that is no Pod's.
	check(t, []golden{{"block", `{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}]}`, `
	set pods:shop| = pods {} in [shop]
	set addresses:10.0.0.0/8 = addresses 10.0.0.0/8
	rule shop/p/egress[0] = network allow egress of [pods:shop|] with [addresses:10.0.0.0/8] on TCP/http (egress[0])
	isolation shop/p/egress = network egress of [pods:shop|] (egress)
	`}})
}

func TestSemantics13RangesAndProtocols(t *testing.T) {
	check(t, []golden{
		{"both ends count", `{ingress: [{ports: [{port: 80, endPort: 90}]}]}`, onPorts("TCP/80-90")},
		{"a range of one", `{ingress: [{ports: [{port: 80, endPort: 80}]}]}`, onPorts("TCP/80")},
		{"the ends of the space", `{ingress: [{ports: [{port: 1, endPort: 65535}]}]}`, onPorts("TCP/1-65535")},
		{"overlaps stay apart", `{ingress: [{ports: [{port: 85}, {port: 80, endPort: 90}, {port: 85, endPort: 95}, {port: 85}]}]}`, onPorts("TCP/80-90 TCP/85 TCP/85-95")},
		{"SCTP is SCTP", `{ingress: [{ports: [{protocol: SCTP, port: 80}]}]}`, onPorts("SCTP/80")},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{ports: [{port: 90, endPort: 80}]}]}`, "spec.ingress[0].ports[0].endPort: is less than port"},
		{`{ingress: [{ports: [{endPort: 80}]}]}`, "spec.ingress[0].ports[0].endPort: needs a port that is a number, from which the range runs"},
		{`{ingress: [{ports: [{port: 0}]}]}`, "spec.ingress[0].ports[0].port: 0 is no port number (1 to 65535)"},
		{`{ingress: [{ports: [{port: 65536}]}]}`, "spec.ingress[0].ports[0].port: 65536 is no port number (1 to 65535)"},
		{`{ingress: [{ports: [{port: 80, endPort: 70000}]}]}`, "spec.ingress[0].ports[0].endPort: 70000 is no port number (1 to 65535)"},
		{`{ingress: [{ports: [{port: 80.5}]}]}`, "spec.ingress[0].ports[0].port: is not written as an integer"},
	})
}

// fromBlocks is the golden list of a policy with one ingress rule from blocks.
func fromBlocks(name, content string) string {
	return "set pods:shop| = pods {} in [shop]\n" +
		"set addresses:" + name + " = addresses " + content + "\n" +
		"rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with [addresses:" + name + "] (ingress[0])\n" +
		"isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)\n"
}

func TestSemantics14ExceptNarrowsItsOwnBlock(t *testing.T) {
	check(t, []golden{
		{
			"one block", `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.2.0.0/16, 10.1.0.0/16]}}]}]}`,
			fromBlocks("10.0.0.0/8!10.1.0.0/16!10.2.0.0/16", "10.0.0.0/8 but [10.1.0.0/16 10.2.0.0/16]"),
		},
		{
			"another block of the rule allows it", `{ingress: [{from: [{ipBlock: {cidr: 10.1.2.0/24}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}`,
			fromBlocks("10.0.0.0/8!10.1.0.0/16,10.1.2.0/24", "10.0.0.0/8 but [10.1.0.0/16], 10.1.2.0/24"),
		},
		{
			"the same block with other exceptions", `{ingress: [{from: [
			{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16, 10.4.0.0/16]}},
			{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.5.0/24, 10.2.0.0/15]}}]}]}`,
			fromBlocks("10.0.0.0/8!10.1.5.0/24!10.2.0.0/16", "10.0.0.0/8 but [10.1.5.0/24 10.2.0.0/16]"),
		},
		{
			"the same block whole", `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}`,
			fromBlocks("10.0.0.0/8", "10.0.0.0/8"),
		},
		{
			"exception first", `{ingress: [{from: [{ipBlock: {except: [10.1.0.0/16], cidr: 10.0.0.0/8}}]}]}`,
			fromBlocks("10.0.0.0/8!10.1.0.0/16", "10.0.0.0/8 but [10.1.0.0/16]"),
		},
		{
			"an exception inside another", `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.2.0/24, 10.1.0.0/16, 10.1.0.0/16]}}]}]}`,
			fromBlocks("10.0.0.0/8!10.1.0.0/16", "10.0.0.0/8 but [10.1.0.0/16]"),
		},
		{"beside Pods", `{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}`, `
		set pods:shop| = pods {} in [shop]
		set addresses:10.0.0.0/8 = addresses 10.0.0.0/8
		rule shop/p/ingress[0] = network allow ingress of [pods:shop|] with [addresses:10.0.0.0/8 pods:shop|] (ingress[0])
		isolation shop/p/ingress = network ingress of [pods:shop|] (ingress)
		`},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{}, {from: [{ipBlock: {}}]}]}`, "spec.ingress[1].from[0].ipBlock.cidr: is required"},
		{`{ingress: [{}, {from: [{ipBlock: {cidr: ten}}]}]}`, `spec.ingress[1].from[0].ipBlock.cidr: "ten" is no CIDR such as "10.0.0.0/8" or "fd00::/8"`},
		{`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16]}}]}]}`, "spec.ingress[0].from[0].ipBlock.except[1]: 11.0.0.0/16 does not lie strictly inside 10.0.0.0/8"},
		{`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}`, "spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 does not lie strictly inside 10.0.0.0/8"},
		{`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [0.0.0.0/0]}}]}]}`, "spec.ingress[0].from[0].ipBlock.except[0]: 0.0.0.0/0 does not lie strictly inside 10.0.0.0/8"},
		{`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]}]}`, `spec.ingress[0].from[0].ipBlock.except[0]: "x" is no CIDR such as "10.0.0.0/8" or "fd00::/8"`},
		{`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}`, "spec.ingress[0].from[0].ipBlock: may not be set together with podSelector or namespaceSelector"},
	})
}

func TestSemantics15FamiliesAndPodAddresses(t *testing.T) {
	check(t, []golden{
		{"all of IPv4 is not everything", `{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`, fromBlocks("0.0.0.0/0", "0.0.0.0/0")},
		{"all of IPv6 is not everything", `{ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`, fromBlocks("::/0", "::/0")},
		{"both families", `{ingress: [{from: [{ipBlock: {cidr: "fd00::1/8"}}, {ipBlock: {cidr: 10.1.2.3/8}}]}]}`, fromBlocks("10.0.0.0/8,fd00::/8", "10.0.0.0/8, fd00::/8")},
	})
	checkErrors(t, []wrong{
		{`{ingress: [{from: [{ipBlock: {cidr: "::/0", except: [10.0.0.0/8]}}]}]}`, "spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 does not lie strictly inside ::/0"},
	})
}

func TestSemantics16EgressIsJudgedByTheBackend(t *testing.T) {
	// The address and port of a Service say nothing about its backends: a block
	// with a VIP is that address, and Pods are only ever selected by label.
	check(t, []golden{{"VIP", `{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}], ports: [{port: 53, protocol: UDP}]}]}`, `
	set pods:shop| = pods {} in [shop]
	set addresses:10.96.0.10/32 = addresses 10.96.0.10/32
	rule shop/p/egress[0] = network allow egress of [pods:shop|] with [addresses:10.96.0.10/32] on UDP/53 (egress[0])
	isolation shop/p/egress = network egress of [pods:shop|] (egress)
	`}})
}
