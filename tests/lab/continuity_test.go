package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

const allowFromWeb = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}]}]
  egress: [{to: [{podSelector: {}}]}]
`

// streams are a UDP and a TCP stream between nodes, and a UDP stream within
// one, all under a policy that allows them.
func streams(t *testing.T, l *lab.Lab) map[string]*lab.Stream {
	t.Helper()
	all, rate := make(map[string]*lab.Stream), labtest.Rate()
	for name, one := range map[string]struct {
		open func(lab.StreamSpec) (*lab.Stream, error)
		spec lab.StreamSpec
	}{
		"UDP between nodes":  {l.UDPStream, lab.StreamSpec{From: "shop/b", To: "shop/c", Rate: rate}},
		"UDP within a node":  {l.UDPStream, lab.StreamSpec{From: "shop/b", To: "shop/a", Rate: rate}},
		"TCP between nodes":  {l.TCPStream, lab.StreamSpec{From: "shop/c", To: "shop/a", Rate: 200}},
		"UDP, IPv6, outside": {l.UDPStream, lab.StreamSpec{From: "external", To: "shop/d", Address: l.Plan().Pods[3].Addresses[1], Rate: rate}},
	} {
		stream, err := one.open(one.spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { stream.Stop() })
		all[name] = stream
	}
	for _, stream := range all {
		if err := stream.WaitFlowing(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// goOn waits until every stream has gone on for a while, stops it, and wants it
// whole.
func goOn(t *testing.T, all map[string]*lab.Stream) {
	t.Helper()
	for name, stream := range all {
		if err := stream.WaitFlowing(t.Context(), stream.Report().Received+100); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, stream := range all {
		report := stream.Stop()
		t.Logf("%s: %v", name, report)
		if report.Lost != 0 || report.Duplicates != 0 || report.Err != nil {
			t.Errorf("%s: %v", name, report)
		}
	}
}

// continuityLab is two nodes whose policy is in force; external may reach
// shop/d.
func continuityLab(t *testing.T, modules ...string) *lab.Lab {
	t.Helper()
	return settled(t, lab.Options{Modules: modules})
}

// settled builds the lab that continuityLab describes, with other options.
func settled(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	options.Manifests = []string{labtest.File(t, "pods.yaml", twoNodes+"---"+allowFromWeb+`
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: outside, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{ipBlock: {cidr: "2001:db8::/32"}}]}]
`)}
	l := labtest.Start(t, options)
	if err := l.ApplyPolicies(); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// Packets do not need the agent, and an agent that comes back and finds
// everything in place writes nothing.
func TestAgentKilledUnderTraffic(t *testing.T) {
	l := continuityLab(t)
	before := flows(t, l, "east")
	all := streams(t, l)
	for _, node := range []string{"east", "west"} {
		if err := l.Agent(node).Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, stream := range all {
		if err := stream.WaitFlowing(t.Context(), stream.Report().Received+100); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	for _, node := range []string{"east", "west"} {
		if err := l.Agent(node).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("both agents are back after %v", time.Since(begin).Round(time.Millisecond))
	for _, node := range []string{"east", "west"} {
		status, err := l.Agent(node).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.Flows.Written != 0 {
			t.Errorf("node %s: the agent came back and wrote %d flows, although nothing had changed", node, status.Flows.Written)
		}
		if len(status.Pods) != 2 {
			t.Errorf("node %s: the agent knows the Pods %v, want two", node, status.Pods)
		}
	}
	goOn(t, all)
	if after := flows(t, l, "east"); after != before {
		t.Errorf("flows before:\n%s\nafter:\n%s", before, after)
	}
}

// Another version of the module with the same logic takes over without a packet
// lost or a flow written.
func TestModuleSwappedUnderTraffic(t *testing.T) {
	bin := filepath.Dir(labtest.Programs(t, false).Agent)
	module := filepath.Join(bin, "modules", "networkpolicy.wasm")
	content, err := os.ReadFile(module)
	if err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	// A custom section (WebAssembly core specification, 5.5.3) changes the file
	// and not the program.
	next := labtest.File(t, "next.wasm", string(append(content, 0, 5, 4, 'n', 'o', 't', 'e')))
	l := continuityLab(t, module)
	written := flowsWritten(t, l)
	all := streams(t, l)
	digest, err := l.ReplaceModule("networkpolicy", next)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WaitModule(t.Context(), "networkpolicy", digest); err != nil {
		t.Fatal(err)
	}
	goOn(t, all)
	for node, count := range flowsWritten(t, l) {
		if count != written[node] {
			t.Errorf("node %s: %d flows written by a generation that says the same", node, count-written[node])
		}
	}
}

func flowsWritten(t *testing.T, l *lab.Lab) map[string]uint64 {
	t.Helper()
	all := make(map[string]uint64)
	for _, node := range l.Plan().Nodes {
		status, err := l.Agent(node.Name).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all[node.Name] = status.Flows.Written
	}
	return all
}

func flows(t *testing.T, l *lab.Lab, node string) string {
	t.Helper()
	text, err := l.OVS(node).DumpFlows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
