package lab

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/scenario"
	"github.com/sluice-net/sluice/tests/labtest"
)

// Pods a and b on node east, c on node west, each listening on 8080 with both
// protocols; d, on west, only asks.
const servicePods = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {nodeName: east, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web}}
spec: {nodeName: east, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop, labels: {app: web}}
spec: {nodeName: west, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: d, namespace: shop, labels: {app: client}}
spec: {nodeName: west, containers: [{name: main}]}
---
apiVersion: v1
kind: Node
metadata: {name: east, labels: {topology.kubernetes.io/zone: one}}
---
apiVersion: v1
kind: Node
metadata: {name: west, labels: {topology.kubernetes.io/zone: two}}
`

// serviceAt is a Service of shop with the ports 80/TCP and 80/UDP to 8080, dual-stack
// at 10.96.0.N and fd00:10:96::N, and more in its spec.
func serviceAt(name string, n int, more string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: shop}
spec:
  clusterIP: 10.96.0.%[2]d
  clusterIPs: [10.96.0.%[2]d, "fd00:10:96::%[2]d"]
  ports: [{name: tcp, port: 80, targetPort: 8080}, {name: udp, port: 80, targetPort: 8080, protocol: UDP}]
%[3]s
`, name, n, indented(more))
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// asking makes probes to Services in both families and protocols.
type asking struct {
	t *testing.T
	l *lab.Lab
}

// apply puts these objects into the place of those of before.
func (a asking) apply(objects ...string) {
	a.t.Helper()
	if err := a.l.ApplyContent("services.yaml", []byte(strings.Join(objects, "---"))); err != nil {
		a.t.Fatal(err)
	}
	if err := a.l.WaitRealised(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// each asks from a Pod at 10.96.0.N and fd00:10:96::N with TCP and UDP.
func (a asking) each(from, service string, n int, check func(*testing.T, lab.Outcome)) {
	a.t.Helper()
	for _, address := range []string{fmt.Sprintf("10.96.0.%d", n), fmt.Sprintf("fd00:10:96::%d", n)} {
		for _, protocol := range []string{"TCP", "UDP"} {
			a.t.Run(fmt.Sprintf("%s to %s by %s %s", strings.TrimPrefix(from, "shop/"), service, protocol, scenario.Family(address)), func(t *testing.T) {
				check(t, a.ask(t, from, service, address, protocol))
			})
		}
	}
}

func (a asking) ask(t *testing.T, from, service, address, protocol string) lab.Outcome {
	t.Helper()
	outcome, err := a.l.Probe(t.Context(), lab.ProbeSpec{From: from, To: "svc:shop/" + service, Address: netip.MustParseAddr(address), Protocol: protocol, Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// answered wants every connection to be answered by one of these, and each of them
// to have answered.
func answered(by ...string) func(*testing.T, lab.Outcome) {
	return func(t *testing.T, o lab.Outcome) {
		t.Helper()
		if !o.Connected || !slices.Equal(o.Answers, by) {
			t.Errorf("answered by %v (%s), want %v", o.Answers, o.Reason, by)
		}
	}
}

// refused wants to be told at once that nobody is there.
func refused(t *testing.T, o lab.Outcome) {
	t.Helper()
	if o.Connected || o.Partly || !strings.Contains(o.Reason, "refused") {
		t.Errorf("answered by %v, %q; want it to be refused at once", o.Answers, o.Reason)
	}
}

// dropped wants silence.
func dropped(t *testing.T, o lab.Outcome) {
	t.Helper()
	if o.Connected || o.Partly || !strings.Contains(o.Reason, "no answer") {
		t.Errorf("answered by %v, %q; want silence", o.Answers, o.Reason)
	}
}

// What Services can say of their backends, as Pods on two nodes see it.
func TestServicesOnPackets(t *testing.T) {
	t.Parallel()
	manifest := servicePods + "---" + strings.Join([]string{
		serviceAt("plain", 1, "selector: {app: web}"),
		serviceAt("empty", 2, "selector: {app: nobody}"),
		serviceAt("local", 3, "selector: {app: web}\ninternalTrafficPolicy: Local"),
		serviceAt("client-local", 4, "selector: {app: client}\ninternalTrafficPolicy: Local"),
		serviceAt("zone", 5, "selector: {app: web}\ntrafficDistribution: PreferClose"),
		serviceAt("sticky", 6, "selector: {app: web}\nsessionAffinity: ClientIP"),
		serviceAt("outer", 7, "selector: {app: web}\ntype: LoadBalancer\nexternalTrafficPolicy: Local\nexternalIPs: [192.0.2.7, \"2001:db8:7::7\"]\nloadBalancerSourceRanges: [10.1.1.0/24, \"fd00:10:1:1::/64\"]") +
			`status: {loadBalancer: {ingress: [{ip: 192.0.2.8}, {ip: 192.0.2.9, ipMode: Proxy}, {ip: "2001:db8:7::8"}, {ip: "2001:db8:7::9", ipMode: Proxy}]}}` + "\n",
	}, "---")
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "services.yaml", manifest)}})
	ask := asking{t, l}
	ask.each("shop/d", "plain", 1, func(t *testing.T, o lab.Outcome) {
		// Sixteen connections may miss one of three.
		if !o.Connected || len(o.Answers) < 2 {
			t.Errorf("answered by %v (%s)", o.Answers, o.Reason)
		}
	})
	ask.each("shop/d", "empty", 2, refused)
	ask.each("shop/d", "local", 3, answered("shop/c"))
	ask.each("shop/a", "local", 3, answered("shop/a", "shop/b"))
	ask.each("shop/a", "client-local", 4, dropped)
	ask.each("shop/d", "zone", 5, answered("shop/c"))
	ask.each("shop/b", "zone", 5, answered("shop/a", "shop/b"))
	ask.each("shop/d", "sticky", 6, func(t *testing.T, o lab.Outcome) {
		if !o.Connected || len(o.Answers) != 1 {
			t.Errorf("answered by %v (%s), want one of them", o.Answers, o.Reason)
		}
	})
	some := func(t *testing.T, o lab.Outcome) {
		if !o.Connected || len(o.Answers) < 2 {
			t.Errorf("answered by %v (%s)", o.Answers, o.Reason)
		}
	}
	for _, test := range []struct {
		name, from string
		address    [2]string
		check      func(*testing.T, lab.Outcome)
	}{
		// "Neither form of traffic policy": what is Local outside is for all here.
		{"external IP", "shop/d", [2]string{"192.0.2.7", "2001:db8:7::7"}, some},
		{"load balancer within its source ranges", "shop/d", [2]string{"192.0.2.8", "2001:db8:7::8"}, some},
		{"load balancer outside of them", "shop/a", [2]string{"192.0.2.8", "2001:db8:7::8"}, dropped},
		// It is somebody else's: here the router's, which knows no such network.
		{"load balancer that is a proxy", "shop/d", [2]string{"192.0.2.9", "2001:db8:7::9"}, func(t *testing.T, o lab.Outcome) {
			if o.Connected || o.Partly {
				t.Errorf("answered by %v", o.Answers)
			}
		}},
	} {
		for _, address := range test.address {
			for _, protocol := range []string{"TCP", "UDP"} {
				t.Run(test.name+" by "+protocol+" "+scenario.Family(address), func(t *testing.T) {
					test.check(t, ask.ask(t, test.from, "outer", address, protocol))
				})
			}
		}
	}
}

// Endpoints come and go while Pods ask.
func TestServicesComeAndGo(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", servicePods)}})
	ask := asking{t, l}
	address := map[string]netip.Addr{}
	for _, p := range l.Plan().Pods {
		address[p.Key()] = p.Addresses[0]
	}
	apply := func(service string, endpoints ...string) {
		t.Helper()
		text := service + `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: live-1, namespace: shop, labels: {kubernetes.io/service-name: live}}
addressType: IPv4
ports: [{name: tcp, port: 8080}, {name: udp, port: 8080, protocol: UDP}]
endpoints:
`
		if len(endpoints) == 0 {
			text = strings.TrimSuffix(text, "\n") + " []\n"
		}
		for _, e := range endpoints {
			text += fmt.Sprintf("- {addresses: [%s]}\n", address[e])
		}
		ask.apply(text)
	}
	expect := func(what string, check func(*testing.T, lab.Outcome)) {
		t.Helper()
		for _, protocol := range []string{"TCP", "UDP"} {
			t.Run(what+" "+protocol, func(t *testing.T) { check(t, ask.ask(t, "shop/d", "live", "10.96.0.9", protocol)) })
		}
	}
	live := serviceAt("live", 9, "")
	apply(live)
	expect("nobody yet", refused)
	apply(live, "shop/a")
	expect("the first", answered("shop/a"))
	apply(live, "shop/b", "shop/c")
	expect("two others", answered("shop/b", "shop/c"))
	apply(live)
	expect("nobody any more", refused)
	apply(live, "shop/c")
	expect("one again", answered("shop/c"))
	if err := l.Remove("services.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("the Service is gone", func(t *testing.T, o lab.Outcome) {
		if o.Connected || o.Partly {
			t.Errorf("answered by %v", o.Answers)
		}
	})
}

// NetworkPolicy never comes between a Pod and itself; ClusterNetworkPolicy does,
// where a Service leads there (SEMANTICS 19).
func TestSemantics19ClusterPolicyOnAPodAndItself(t *testing.T) {
	t.Parallel()
	const policy = `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: admin}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: client}}}}
  egress:
  - name: not to clients
    action: Deny
    to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: client}}}}]
`
	binaries := labtest.Programs(t, false)
	module := filepath.Join(filepath.Dir(binaries.Agent), "modules", "clusternetworkpolicy.wasm")
	pods := strings.Replace(servicePods, "nodeName: west, containers: [{name: main}]", "nodeName: west, containers: [{name: main, ports: [{containerPort: 8080}, {containerPort: 8080, protocol: UDP}]}]", 1)
	manifest := labtest.File(t, "self.yaml", pods+"---"+serviceAt("self", 1, "selector: {app: client}")+"---"+serviceAt("web", 2, "selector: {app: web}")+"---"+policy)
	l := labtest.Start(t, lab.Options{Manifests: []string{manifest}, Modules: []string{module, lab.BuiltinModule}})
	ask := asking{t, l}
	ask.each("shop/d", "self", 1, answered("shop/d"))
	if err := l.ApplyPolicies(); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask.each("shop/d", "self", 1, dropped)
	ask.each("shop/d", "web", 2, func(t *testing.T, o lab.Outcome) {
		if !o.Connected {
			t.Errorf("not answered: %s", o.Reason)
		}
	})
}

// What the commands say agrees with the packets of the tests above.
func TestServicesInWords(t *testing.T) {
	t.Parallel()
	manifest := labtest.File(t, "services.yaml", servicePods+"---"+serviceAt("local", 3, "selector: {app: web}\ninternalTrafficPolicy: Local")+"---"+serviceAt("empty", 2, "selector: {app: nobody}")+`---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: shop}
spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}
`)
	l := labtest.Start(t, lab.Options{Manifests: []string{manifest}})
	if err := l.ApplyPolicies(); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctl := labtest.Programs(t, false).Ctl
	for _, test := range []struct {
		args []string
		exit int
		want []string
	}{
		{[]string{"services", "shop/local", "--socket", l.Agent("west").AdminSocket()}, 0, []string{"10.96.0.3:80 (local endpoints only)", "1 of 3", "west"}},
		{[]string{"status", "--socket", l.Agent("west").AdminSocket()}, 0, []string{"services  2, 0 left alone  8 ports, 4 backends, 0 not served as written"}},
		{[]string{"verdict", "--manifests", manifest, "--from", "shop/d", "--to", "svc:shop/local:tcp"}, 2, []string{"deny\n", "shop/local:tcp/TCP/IPv4/local at 10.96.0.3:80 leads to", "10.1.1.2:8080 shop/c", "shop/client"}},
		{[]string{"verdict", "--manifests", manifest, "--from", "shop/a", "--to", "10.96.0.3", "--port", "80"}, 0, []string{"allow\n", "10.1.0.2:8080 shop/a, 10.1.0.3:8080 shop/b"}},
		{[]string{"verdict", "--manifests", manifest, "--from", "shop/a", "--to", "svc:shop/empty:udp"}, 2, []string{"deny\n", "no endpoints: refused at once"}},
		{[]string{"verdict", "--manifests", manifest, "--from", "shop/a", "--to", "svc:shop/none"}, 1, []string{"there is no Service shop/none"}},
	} {
		command := exec.CommandContext(t.Context(), ctl, test.args...)
		out, _ := command.CombinedOutput() // the exit code is looked at
		if code := command.ProcessState.ExitCode(); code != test.exit {
			t.Errorf("%v ends with %d, want %d", test.args, code, test.exit)
		}
		for _, want := range test.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%v says\n%s\nwithout %q", test.args, out, want)
			}
		}
	}
}

// says wants the agent of a node to be described so by a command.
func says(t *testing.T, l *lab.Lab, node string, args []string, want ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), labtest.Programs(t, false).Ctl, append(args, "--socket", l.Agent(node).AdminSocket())...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v: %s", args, err, out)
	}
	for _, want := range want {
		if !strings.Contains(string(out), want) {
			t.Errorf("%v says\n%s\nwithout %q", args, out, want)
		}
	}
}
