package oracle

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// clusterOf reads objects in a line each:
//
//	namespace one team=x
//	node n 192.168.0.1 fd00:f::1
//	pod one/a 10.0.0.1 fd00::1 app=x on=n http:TCP:80 sidecar:http:TCP:80 init:http:TCP:80 host finished
func clusterOf(t *testing.T, lines string, policies ...string) *Cluster {
	t.Helper()
	c := &Cluster{}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "namespace":
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: words[1], Labels: map[string]string{}}}
			for _, word := range words[2:] {
				key, value, _ := strings.Cut(word, "=")
				ns.Labels[key] = value
			}
			c.Namespaces = append(c.Namespaces, ns)
		case "node":
			n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: words[1]}}
			for _, word := range words[2:] {
				n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: word})
			}
			c.Nodes = append(c.Nodes, n)
		case "pod":
			c.Pods = append(c.Pods, podLine(t, words[1:]))
		default:
			t.Fatalf("line %q", line)
		}
	}
	for _, text := range policies {
		p := new(networkingv1.NetworkPolicy)
		if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		c.Policies = append(c.Policies, p)
	}
	return c
}

func podLine(t *testing.T, words []string) *corev1.Pod {
	t.Helper()
	namespace, name, _ := strings.Cut(words[0], "/")
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{}}}
	for _, word := range words[1:] {
		addr, err := netip.ParseAddr(word)
		key, value, isLabel := strings.Cut(word, "=")
		switch {
		case err == nil:
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: addr.String()})
		case word == "host":
			p.Spec.HostNetwork = true
		case word == "finished":
			p.Status.Phase = corev1.PodSucceeded
		case key == "on":
			p.Spec.NodeName = value
		case isLabel:
			p.Labels[key] = value
		default:
			containerPort(t, p, strings.Split(word, ":"))
		}
	}
	return p
}

func containerPort(t *testing.T, p *corev1.Pod, parts []string) {
	t.Helper()
	kind := ""
	if len(parts) == 4 {
		kind, parts = parts[0], parts[1:]
	}
	number, err := strconv.Atoi(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	container := corev1.Container{Ports: []corev1.ContainerPort{{Name: parts[0], Protocol: corev1.Protocol(parts[1]), ContainerPort: int32(number)}}}
	switch kind {
	case "sidecar":
		always := corev1.ContainerRestartPolicyAlways
		container.RestartPolicy = &always
		p.Spec.InitContainers = append(p.Spec.InitContainers, container)
	case "init":
		p.Spec.InitContainers = append(p.Spec.InitContainers, container)
	default:
		p.Spec.Containers = append(p.Spec.Containers, container)
	}
}

// policyOf is a policy from the YAML of its spec, indented by tabs or not.
func policyOf(namespace, name, spec string) string {
	var text strings.Builder
	text.WriteString("metadata: {namespace: " + namespace + ", name: " + name + "}\nspec:\n")
	for line := range strings.Lines(strings.Trim(spec, "\n")) {
		text.WriteString("  " + strings.ReplaceAll(line, "\t", "") + "")
	}
	return text.String() + "\n"
}

// expect holds lines of "FROM > TO PROTOCOL PORT allow|deny" against the
// reference and the model. An end is namespace/name, meaning its first address,
// or an address.
func expect(t *testing.T, c *Cluster, lines string) {
	t.Helper()
	expectIn(t, c, viewOf(t, c), lines)
}

func expectIn(t *testing.T, c *Cluster, view policy.View, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		conn, want := connectionOf(t, c, words), words[5] == "allow"
		if got := c.Judge(conn).Allowed(); got != want {
			t.Errorf("%s: the reference says %v", strings.TrimSpace(line), got)
		}
		if got := policy.Evaluate(view, packetOf(conn)); got.Allowed != want {
			t.Errorf("%s: the model says %+v", strings.TrimSpace(line), got)
		}
	}
}

func connectionOf(t *testing.T, c *Cluster, words []string) Connection {
	t.Helper()
	port, err := strconv.Atoi(words[4])
	if err != nil {
		t.Fatal(err)
	}
	return Connection{c.addr(t, words[0]), c.addr(t, words[2]), corev1.Protocol(words[3]), int32(port)}
}

func (c *Cluster) addr(t *testing.T, end string) netip.Addr {
	t.Helper()
	if addr, err := netip.ParseAddr(end); err == nil {
		return addr
	}
	for _, p := range c.Pods {
		if p.Namespace+"/"+p.Name == end {
			return netip.MustParseAddr(p.Status.PodIPs[0].IP)
		}
	}
	t.Fatalf("no Pod %s", end)
	return netip.Addr{}
}

// by asks the model alone and returns its answer.
func by(t *testing.T, c *Cluster, view policy.View, connection string) policy.Verdict {
	t.Helper()
	return policy.Evaluate(view, packetOf(connectionOf(t, c, strings.Fields(connection))))
}

// layerOf makes a layer of requests, with everything granted.
func layerOf(t *testing.T, module string, order int, requests ...abi.Request) *policy.Layer {
	t.Helper()
	grant, err := policy.GrantOf([]string{"admin", "network", "baseline"}, []string{"allow", "deny", "reject", "pass"})
	if err != nil {
		t.Fatal(err)
	}
	layer := policy.NewLayer(module, order, grant, policy.Limits{})
	txn := layer.Begin(true)
	stageAll(t, txn, requests)
	commit(t, layer, txn)
	return layer
}
