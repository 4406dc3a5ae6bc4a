package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// write puts files into a new directory.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// told are problems in one line each, without the directory.
func told(dir string, problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.ReplaceAll(p.String(), dir+"/", ""))
	}
	return strings.Join(lines, "\n")
}

// names are the objects put and deleted, in order.
func names(events []Event) string {
	var out []string
	for _, e := range events {
		out = append(out, e.Op.String()+" "+e.Resource+" "+strings.TrimPrefix(e.Namespace+"/"+e.Name, "/"))
	}
	return strings.Join(out, "\n")
}

// policy is a NetworkPolicy "web" with the given lines as its spec.
func policy(spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  " +
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ") + "\n"
}

func TestProblems(t *testing.T) {
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n"
	tests := []struct {
		name, file, text, want string
	}{
		// Syntax.
		{"empty file", "a.yaml", " \n", "a.yaml: the file is empty: delete it, or write a comment into it, if it is meant to hold nothing"},
		{"only a comment", "a.yaml", "# nothing yet\n", ""},
		{"not YAML", "a.yaml", "a: b: c\n", "a.yaml, document 1: yaml: mapping values are not allowed in this context"},
		{"line of the file", "a.yaml", pod + "---\n\n---\n# more\n---\n\nkind: [\n", "a.yaml, document 2: yaml: line 10: did not find expected node content"},
		{"control characters", "a.yaml", "a: \x01\n", "a.yaml, document 1: yaml: control characters are not allowed"},
		{"no object", "a.yaml", "- a\n", "a.yaml, document 1: is a list where an object is expected"},
		{"a word", "a.yaml", "hello\n", "a.yaml, document 1: is a string where an object is expected"},
		{"not JSON", "a.json", "{\"kind\":\n\"Pod\",}", "a.json, document 1: line 2: not JSON: invalid character '}' looking for beginning of object key string"},
		{"YAML in JSON's clothes", "a.json", "kind: Pod", "a.json, document 1: line 1: not JSON: invalid character 'k' looking for beginning of value"},
		{"duplicate in YAML", "a.yaml", policy("ingress:\n- from:\n  - podSelector: {}\n    podSelector: {}"), "a.yaml, document 1: spec.ingress[0].from[0].podSelector: given twice in the same object: keep one of the two"},
		{"duplicate in JSON", "a.json", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b"}}`, "a.json, document 1: Pod default/b: metadata.name: given twice in the same object: keep one of the two"},
		// Identity.
		{"no kind", "a.yaml", "apiVersion: v1\n", "a.yaml, document 1: kind: is missing: say what this is, for instance kind: NetworkPolicy"},
		{"no apiVersion", "a.yaml", "kind: Pod\n", "a.yaml, document 1: apiVersion: is missing: say which API this is of, for instance apiVersion: networking.k8s.io/v1"},
		{"old version", "a.yaml", "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: web}\n", `a.yaml, document 1: NetworkPolicy default/web: apiVersion: "extensions/v1beta1" is not served: write networking.k8s.io/v1`},
		{"unknown kind", "a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n", "a.yaml, document 1: Deployment shop/web: kind: unknown kind (apiVersion apps/v1): Sluice itself reads Pod, Namespace, Node, Service, EndpointSlice and NetworkPolicy, and no module watches deployments.apps: remove the document, or load the module that it is for"},
		{"strange version", "a.yaml", "apiVersion: a/b/c\nkind: Thing\nmetadata: {name: web}\n", "a.yaml, document 1: apiVersion: unexpected GroupVersion string: a/b/c"},
		{"no name", "a.yaml", "apiVersion: v1\nkind: Pod\n", "a.yaml, document 1: Pod: metadata.name: Required value: name or generateName is required"},
		{"generateName", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", "a.yaml, document 1: Pod: metadata.name: is missing: a manifest that is read again and again needs a name, generateName gives none"},
		{"bad name", "a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: Shop}\n", `a.yaml, document 1: Namespace Shop: metadata.name: Invalid value: "Shop": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`},
		{"node in a namespace", "a.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n1, namespace: shop}\n", "a.yaml, document 1: Node n1: metadata.namespace: Forbidden: not allowed on this type"},
		{"bad label", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a b}}\n", `a.yaml, document 1: Pod default/a: metadata.labels: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`},
		// Strictness and types.
		{"unknown field", "a.yaml", policy("podSelector: {}\ningres: []"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingres: unknown field: correct its name or remove it"},
		{"unknown field in a list", "a.yaml", policy("ingress:\n- from:\n  - podselector: {}"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].podselector: unknown field: correct its name or remove it\na.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0]: Required value: must specify a peer"},
		{"string for a list", "a.yaml", policy("policyTypes: Ingress"), "a.yaml, document 1: NetworkPolicy shop/web: spec.policyTypes: is a string where a list is expected"},
		{"list for an object", "a.yaml", policy("ingress:\n- {}\n- from:\n  - podSelector: []"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[1].from[0].podSelector: is a list where an object is expected"},
		{"number for a label", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {release: 7}}\n", "a.yaml, document 1: Pod default/a: metadata.labels.release: is a number where a string is expected"},
		{"number for a name", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n", "a.yaml, document 1: metadata.name: is a number where a string is expected"},
		{"number too large", "a.yaml", policy("ingress: [{ports: [{port: 80, endPort: 99999999999}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].endPort: is a number where a whole number of 32 bits is expected"},
		{"true for a port", "a.yaml", policy("ingress: [{ports: [{port: true}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress.ports.port: is true or false where a whole number of 32 bits is expected"},
		{"list for a port", "a.yaml", policy("ingress: [{}, {ports: [{}, {port: [80]}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress.ports.port: is a list where a whole number of 32 bits is expected"},
		{"fraction for a port", "a.yaml", policy("ingress: [{ports: [{port: 80.5}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress.ports.port: is a number where a whole number of 32 bits is expected"},
		{"bad time", "a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, creationTimestamp: yesterday}\n", "a.yaml, document 1: Pod default/a: parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \"2006\""},
		// Policies.
		{"selector operator", "a.yaml", policy("podSelector: {matchExpressions: [{key: a, operator: Is}]}"), `a.yaml, document 1: NetworkPolicy shop/web: spec.podSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`},
		{"selector without values", "a.yaml", policy("podSelector: {matchExpressions: [{key: a, operator: In}]}"), "a.yaml, document 1: NetworkPolicy shop/web: spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"},
		{"selector with values", "a.yaml", policy("podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}"), "a.yaml, document 1: NetworkPolicy shop/web: spec.podSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"},
		{"selector key", "a.yaml", policy("ingress: [{from: [{namespaceSelector: {matchLabels: {a/b/c: d}}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].namespaceSelector.matchLabels: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`},
		{"empty peer", "a.yaml", policy("egress: [{to: [{}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.egress[0].to[0]: Required value: must specify a peer"},
		{"two kinds of peer", "a.yaml", policy("ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"},
		{"no cidr", "a.yaml", policy("ingress: [{from: [{ipBlock: {}}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.cidr: Required value"},
		{"bad cidr", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
		{"no prefix length", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
		{"leading zeros", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 010.0.0.0/8}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "010.0.0.0/8": must not have leading 0s in IP or prefix length`},
		{"mapped", "a.yaml", policy(`ingress: [{from: [{ipBlock: {cidr: "::ffff:10.0.0.0/104"}}]}]`), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "::ffff:10.0.0.0/104": must not have an IPv4-mapped IPv6 address`},
		{"bits beyond the prefix", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/24, except: [10.1.2.3/32]}}]}]"), ""},
		{"except outside", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.1.0/24, 10.2.0.0/24]}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: "10.2.0.0/24": must be a strict subset of ` + "`cidr`, which is 10.1.0.0/16"},
		{"except all", "a.yaml", policy("ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.0.0/16]}}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.1.0.0/16": must be a strict subset of ` + "`cidr`, which is 10.1.0.0/16"},
		{"except of the other family", "a.yaml", policy(`ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16, except: ["fd00::/64"]}}]}]`), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of ` + "`cidr`, which is 10.1.0.0/16"},
		{"port 0", "a.yaml", policy("ingress: [{ports: [{port: 0}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
		{"port name", "a.yaml", policy("egress: [{ports: [{port: '80'}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.egress[0].ports[0].port: Invalid value: "80": must contain at least one letter (a-z)`},
		{"protocol", "a.yaml", policy("ingress: [{ports: [{protocol: ICMP}]}]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`},
		{"endPort below", "a.yaml", policy("ingress: [{ports: [{port: 80, endPort: 70}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`, which is 80"},
		{"endPort too large", "a.yaml", policy("ingress: [{ports: [{port: 80, endPort: 65536}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].endPort: Invalid value: 65536: must be between 1 and 65535, inclusive"},
		{"endPort with a name", "a.yaml", policy("ingress: [{ports: [{port: http, endPort: 90}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric"},
		{"endPort alone", "a.yaml", policy("ingress: [{ports: [{endPort: 90}]}]"), "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified"},
		{"policy type", "a.yaml", policy("policyTypes: [Ingress, ingress]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.policyTypes[1]: Unsupported value: "ingress": supported values: "Egress", "Ingress"`},
		{"three policy types", "a.yaml", policy("policyTypes: [Ingress, Egress, Ingress]"), `a.yaml, document 1: NetworkPolicy shop/web: spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes`},
		// Pods and nodes.
		{"container port", "a.yaml", pod + "spec: {containers: [{name: c, ports: [{containerPort: 70000}]}]}", "a.yaml, document 1: Pod shop/a: spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
		{"no container port", "a.yaml", pod + "spec: {initContainers: [{name: c, ports: [{name: http}]}]}", "a.yaml, document 1: Pod shop/a: spec.initContainers[0].ports[0].containerPort: Required value"},
		{"port name twice", "a.yaml", pod + "spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}, {name: http, containerPort: 81}]}]}", `a.yaml, document 1: Pod shop/a: spec.containers[0].ports[1].name: Duplicate value: "http"`},
		{"container protocol", "a.yaml", pod + "spec: {containers: [{name: c, ports: [{containerPort: 80, protocol: tcp}]}]}", `a.yaml, document 1: Pod shop/a: spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`},
		{"node name", "a.yaml", pod + "spec: {nodeName: N_1}", `a.yaml, document 1: Pod shop/a: spec.nodeName: Invalid value: "N_1": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"pod address", "a.yaml", pod + "status: {podIPs: [{ip: 10.0.0.256}]}", `a.yaml, document 1: Pod shop/a: status.podIPs[0].ip: Invalid value: "10.0.0.256": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
		{"two truths", "a.yaml", pod + "status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.2}]}", `a.yaml, document 1: Pod shop/a: status.podIP: Invalid value: "10.0.0.1": must be the same as podIPs[0].ip`},
		{"node address", "a.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: n1}]}", `a.yaml, document 1: Node n1: status.addresses[1].address: Invalid value: "n1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
		{"pod CIDR", "a.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [10.0.0.0]}", `a.yaml, document 1: Node n1: spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
		// Lists.
		{"in a list", "a.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {nodename: x}}\n", "a.yaml, document 1: Pod default/b: items[1].spec.nodename: unknown field: correct its name or remove it"},
		{"lists for ever", "a.json", strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 6) + strings.Repeat("]}", 6), "a.json, document 1: items[0].items[0].items[0].items[0]: is a list in a list, 4 deep: write the objects as documents of their own"},
		{"null in a list", "a.yaml", "apiVersion: v1\nkind: List\nitems: [null]\n", "a.yaml, document 1: items[0].kind: is missing: say what this is, for instance kind: NetworkPolicy"},
		{"twice in a file", "a.yaml", pod + "---\n" + pod, "a.yaml, document 2: Pod shop/a: metadata.name: the same object is in a.yaml, document 1, which is read first and wins: delete one of the two"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, map[string]string{test.file: test.text})
			_, problems, err := LoadOnce([]string{dir})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(told(dir, problems), dir+"/", ""); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	dir := write(t, map[string]string{"good.yaml": policy("podSelector: {}"), "large.yaml": "", "notes.txt": "kind: Pod", ".hidden.yaml": "{"})
	if err := os.Truncate(filepath.Join(dir, "large.yaml"), maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub", "empty", "folder.yaml"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "sub", "a.yaml"), "kind: Pod")
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	events, problems, err := LoadOnce([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"large.yaml: read large.yaml: it has 67108865 bytes and the limit is 67108864: split it into several files",
		"pipe.yaml: read pipe.yaml: it is a pipe, not a file: move it away",
		"sub: is a directory inside a directory of manifests and is not read: name it as a path of its own",
	}, "\n")
	if got := told(dir, problems); got != want {
		t.Errorf("problems\n%s\nwant\n%s", got, want)
	}
	if got, want := names(events), "put namespaces shop\nput networkpolicies.networking.k8s.io shop/web"; got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

func TestPathsThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	_, _, err := LoadOnce([]string{filepath.Join(dir, "no")})
	if want := "read manifests: stat " + dir + "/no: no such file or directory: create it or correct the path"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, _, err := LoadOnce(nil); err == nil || err.Error() != "no manifests to read: name at least one directory or file" {
		t.Errorf("no paths: got %v", err)
	}
	if _, _, err := LoadOnce([]string{dir, ""}); err == nil || err.Error() != "one of the paths of manifests is empty: name a directory or a file" {
		t.Errorf("empty path: got %v", err)
	}
}
