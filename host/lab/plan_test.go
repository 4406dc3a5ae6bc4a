package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pods writes manifests with one Pod per line of "namespace/name node ip ip".
func load(t *testing.T, files map[string]string) *Objects {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func podYAML(key, node string, ips ...string) string {
	namespace, name, _ := strings.Cut(key, "/")
	text := fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s}\nspec: {nodeName: %q, containers: []}\n", name, namespace, node)
	if len(ips) > 0 {
		text += "status:\n  podIPs:\n"
		for _, ip := range ips {
			text += fmt.Sprintf("  - ip: %q\n", ip)
		}
	}
	return text
}

func TestPlanAddresses(t *testing.T) {
	tests := []struct {
		name string
		pods string
		want map[string]string // Pod -> node and addresses
		note string            // part of the only note
	}{
		{
			name: "one node, in the order of names whatever the order of documents",
			pods: podYAML("b/a", "") + podYAML("a/z", "") + podYAML("a/b", ""),
			want: map[string]string{
				"a/b": "node1 10.1.0.2 fd00:10:1::2",
				"a/z": "node1 10.1.0.3 fd00:10:1::3",
				"b/a": "node1 10.1.0.4 fd00:10:1::4",
			},
		},
		{
			name: "a subnet per node; Pods without nodeName go to the first",
			pods: podYAML("a/a", "west") + podYAML("a/b", "east") + podYAML("a/c", ""),
			want: map[string]string{
				"a/a": "west 10.1.1.2 fd00:10:1:1::2",
				"a/b": "east 10.1.0.2 fd00:10:1::2",
				"a/c": "east 10.1.0.3 fd00:10:1::3",
			},
		},
		{
			name: "given addresses are honoured, also outside of the node's subnets, and not given twice",
			pods: podYAML("a/a", "") + podYAML("a/b", "", "fd00:10:1::3", "10.1.0.2") + podYAML("a/c", "", "10.244.3.1"),
			want: map[string]string{
				"a/a": "node1 10.1.0.3 fd00:10:1::2",
				"a/b": "node1 10.1.0.2 fd00:10:1::3",
				"a/c": "node1 10.244.3.1",
			},
		},
		{
			name: "an address that the lab itself uses is not honoured",
			pods: podYAML("a/a", "", "203.0.113.77"),
			want: map[string]string{"a/a": "node1 10.1.0.2 fd00:10:1::2"},
			note: "203.0.113.77 lies in 203.0.113.0/24",
		},
		{
			name: "nor is a gateway",
			pods: podYAML("a/a", "", "10.1.0.1"),
			want: map[string]string{"a/a": "node1 10.1.0.2 fd00:10:1::2"},
			note: "10.1.0.1 is the gateway of node node1",
		},
		{
			name: "nor a broadcast address",
			pods: podYAML("a/a", "", "10.9.9.255"),
			want: map[string]string{"a/a": "node1 10.1.0.2 fd00:10:1::2"},
			note: "broadcast",
		},
		{
			name: "nor two of one family",
			pods: podYAML("a/a", "", "10.9.9.2", "10.9.9.3"),
			want: map[string]string{"a/a": "node1 10.1.0.2 fd00:10:1::2"},
			note: "second address of the same family",
		},
		{
			name: "hostNetwork Pods have their node's addresses; Pods that have ended have none",
			pods: strings.Replace(podYAML("a/a", "n"), "{nodeName", "{hostNetwork: true, nodeName", 1) +
				podYAML("a/b", "n", "10.1.0.9") + "  phase: Succeeded\n",
			want: map[string]string{"a/a": "n 192.168.100.2 fd00:192:168:100::2"},
			note: "a/b is Succeeded",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan, err := NewPlan(load(t, map[string]string{"pods.yaml": test.pods}))
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]string)
			for _, pod := range plan.Pods {
				text := pod.Node
				for _, address := range pod.Addresses {
					text += " " + address.String()
				}
				got[pod.Key()] = text
			}
			if len(got) != len(test.want) {
				t.Errorf("Pods %v, want %v", got, test.want)
			}
			for key, want := range test.want {
				if got[key] != want {
					t.Errorf("%s: %s, want %s", key, got[key], want)
				}
			}
			notes := strings.Join(plan.Notes, "\n")
			if (test.note == "") != (notes == "") || !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

func TestPlanRefusesTwoOwners(t *testing.T) {
	_, err := NewPlan(load(t, map[string]string{"p.yaml": podYAML("a/a", "", "10.9.0.4") + podYAML("a/b", "", "10.9.0.4")}))
	if err == nil || !strings.Contains(err.Error(), "pods a/a and a/b both claim 10.9.0.4") {
		t.Errorf("error %v", err)
	}
}

func TestPlanRefusesTooManyPods(t *testing.T) {
	var pods strings.Builder
	for i := range 254 {
		pods.WriteString(podYAML(fmt.Sprintf("a/p%03d", i), ""))
	}
	_, err := NewPlan(load(t, map[string]string{"p.yaml": pods.String()}))
	if err == nil || !strings.Contains(err.Error(), "a/p253: no address is left in 10.1.0.0/24") {
		t.Errorf("error %v", err)
	}
}

// A gateway must not be an address that a Pod has somewhere.
func TestGatewayAvoidsPods(t *testing.T) {
	plan, err := NewPlan(load(t, map[string]string{"p.yaml": podYAML("a/a", "", "10.9.0.1") + podYAML("a/b", "", "10.9.0.4")}))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{"10.9.0.4": "10.9.0.2", "10.1.0.7": "10.1.0.1", "fd00:10:1::9": "fd00:10:1::1"} {
		if got := plan.gatewayFor(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("gateway for %s is %s, want %s", address, got, want)
		}
	}
}

func TestContainerPorts(t *testing.T) {
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  initContainers:
  - {name: setup, ports: [{containerPort: 1}]}
  - {name: mesh, restartPolicy: Always, ports: [{containerPort: 15000, name: admin}]}
  containers:
  - name: web
    ports:
    - {containerPort: 8080, name: http}
    - {containerPort: 8080, name: metrics}
    - {containerPort: 53, protocol: UDP}
    - {containerPort: 53, protocol: SCTP}
`
	plan, err := NewPlan(load(t, map[string]string{"p.yaml": pod}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{{"SCTP", 53}, {"UDP", 53}, {"TCP", 8080}, {"TCP", 15000}}
	if got := plan.Pods[0].Ports; !slices.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	if plan.Pods[0].Key() != "default/a" {
		t.Errorf("Pod %s, want it in the namespace default", plan.Pods[0].Key())
	}
}
