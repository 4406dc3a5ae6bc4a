package daemonset

import (
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/cluster/figures"
	"github.com/sluice-net/sluice/tests/cluster/installed"
)

// BenchmarkEventToWire measures, on a cluster of two nodes, how long after the API
// server's acknowledgement a policy that denies still lets connections through and leaves
// an established one alone, and how long after that of its deletion the first connection
// comes through: with no other policy, with 1,000 and with 10,000. SLUICE_ROUNDS (50) is
// how often each is measured.
func BenchmarkEventToWire(b *testing.B) {
	rounds := 50
	if text := os.Getenv("SLUICE_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	w := begin(b)
	if err := installed.Install(b.Context(), w.c); err != nil {
		b.Fatal(err)
	}
	w.start(
		pod{name: "server", node: "n1", app: "server", args: []string{"serve", ":80"}},
		pod{name: "near", node: "n1", app: "client", args: []string{"serve", ":81"}},
		pod{name: "far", node: "n2", app: "client", args: []string{"serve", ":82"}},
		pod{name: "other", node: "n1", app: "other-0", args: []string{"serve", ":83"}},
	)
	server := netip.AddrPortFrom(netip.MustParseAddr(w.address("server")), 80)
	policies := w.policies()
	table := figures.New("event to wire on two nodes")
	for b.Loop() {
		have := 0
		for _, others := range []int{0, 1000, 10_000} {
			w.others(have, others)
			have = others
			for _, from := range []struct{ name, path string }{{"the same node", "near"}, {"the other node", "far"}} {
				m := w.measure(policies, w.namespaceOf(from.path), server, rounds)
				name := fmt.Sprintf("%d policies, from %s: ", others, from.name)
				table.Percentiles(name+"last let through after a deny", m.lastDenied, 20, "")
				table.Percentiles(name+"established connection cut", m.cut, 20, "")
				table.Percentiles(name+"first let through after an allow", m.firstAllowed, 20, "")
			}
		}
	}
	if err := table.Finish(os.Stdout); err != nil {
		b.Fatal(err)
	}
}

// policies speaks with the API server as an administrator.
func (w *world) policies() dynamic.ResourceInterface {
	w.Helper()
	config, err := cluster.Connect(cluster.ConnectOptions{Kubeconfig: w.c.Control.Admin(), UserAgent: w.Name()})
	if err != nil {
		w.Fatal(err)
	}
	config.Dial = w.c.Control.Dial
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		w.Fatal(err)
	}
	return client.Resource(schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}).Namespace("default")
}

// others makes policies about applications of which one, other-0 of a hundred, has a Pod
// on a node.
func (w *world) others(from, to int) {
	w.Helper()
	if from == to {
		return
	}
	if err := w.c.Control.Store(w.Context(), otherPolicies(from, to)); err != nil {
		w.Fatal(err)
	}
	version := w.kubectl("get", "networkpolicy", fmt.Sprintf("other-%d", to-1), "-o", "jsonpath={.metadata.resourceVersion}")
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		w.Fatalf("the resource version of the policies is %q: %v", version, err)
	}
	w.eventually(fmt.Sprintf("%d policies are in force", to), func() (bool, string) {
		out := w.kubectl("get", "nodepolicystatuses", "-o", `jsonpath={.items[*].status.realised[?(@.resource=="networkpolicies.networking.k8s.io")].resourceVersion}`)
		behind := slices.ContainsFunc(strings.Fields(out), func(v string) bool {
			n, err := strconv.ParseUint(v, 10, 64)
			return err != nil || n < number // has not said so yet
		})
		return out != "" && !behind, out + " of " + version
	})
}

func otherPolicies(from, to int) iter.Seq[controlplane.Stored] {
	return func(yield func(controlplane.Stored) bool) {
		for i := from; i < to; i++ {
			np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: fmt.Sprintf("other-%d", i), UID: types.UID(fmt.Sprintf("00000003-0000-4000-8000-%012x", i)), Generation: 1, CreationTimestamp: metav1.Now(),
			}}
			np.Spec.PodSelector.MatchLabels = map[string]string{"app": fmt.Sprintf("other-%d", i%100)}
			np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprintf("peer-%d", i)}}}}}}
			if !yield(controlplane.Stored{Key: "networkpolicies/default/" + np.Name, Object: np}) {
				return
			}
		}
	}
}

// measured is one size and one client, a figure for each round.
type measured struct{ lastDenied, cut, firstAllowed []time.Duration }

// rest is how long nothing is changed between two changes: all that is late is seen.
const rest = 300 * time.Millisecond

// measure denies and allows in turn while a client opens connections.
func (w *world) measure(policies dynamic.ResourceInterface, namespace string, server netip.AddrPort, rounds int) (m measured) {
	w.Helper()
	p := probe(namespace, server)
	defer func() {
		if err := p.end(); err != nil {
			w.Error(err)
		}
	}()
	deny := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": map[string]any{"name": "deny"},
		"spec": map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"app": "server"}}, "policyTypes": []any{"Ingress"}},
	}}
	for range rounds {
		w.talks(p)
		before := time.Now()
		if _, err := policies.Create(w.Context(), deny, metav1.CreateOptions{}); err != nil {
			w.Fatal(err)
		}
		acknowledged := time.Now()
		time.Sleep(rest + probePatience) // attempts that wait are over
		connected, echoes := p.since(before)
		m.lastDenied = append(m.lastDenied, last(connected, before).Sub(acknowledged))
		m.cut = append(m.cut, last(echoes, before).Sub(acknowledged))
		if late := connectedAfter(connected, acknowledged.Add(rest)); late > 0 {
			w.Fatalf("%d connections were let through although the policy had been there for %v", late, rest)
		}

		before = time.Now()
		if err := policies.Delete(w.Context(), "deny", metav1.DeleteOptions{}); err != nil {
			w.Fatal(err)
		}
		acknowledged = time.Now()
		m.firstAllowed = append(m.firstAllowed, w.first(p, before).Sub(acknowledged))
	}
	return m
}

// last is the latest of some times, or a time before them.
func last(all []time.Time, otherwise time.Time) time.Time {
	for _, t := range all {
		if t.After(otherwise) {
			otherwise = t
		}
	}
	return otherwise
}

func connectedAfter(all []time.Time, t time.Time) int { return len(after(all, t)) }

// first waits for the first attempt from a moment on that comes to a connection.
func (w *world) first(p *prober, since time.Time) (first time.Time) {
	w.Helper()
	w.eventually("a connection is let through", func() (bool, string) {
		connected, _ := p.since(since)
		if len(connected) == 0 {
			return false, "none"
		}
		first = slices.MinFunc(connected, time.Time.Compare)
		return true, ""
	})
	return first
}

// talks waits until connections are let through and the established one brings echoes.
func (w *world) talks(p *prober) {
	w.Helper()
	now := time.Now()
	w.eventually("the client speaks with the server", func() (bool, string) {
		connected, echoes := p.since(now)
		return len(connected) > 100 && len(echoes) > 50, fmt.Sprintf("%d connections, %d echoes", len(connected), len(echoes))
	})
}

// namespaceOf is the file of the network namespace of a Pod, found by its process: each
// serves another port.
func (w *world) namespaceOf(pod string) string {
	w.Helper()
	args := strings.Fields(w.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.containers[0].args[*]}"))
	wanted := strings.Join(args, "\x00") + "\x00"
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		w.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil && strings.HasSuffix(string(text), "\x00"+wanted) && strings.HasPrefix(filepath.Base(string(text[:strings.IndexByte(string(text), 0)])), "probe") {
			return filepath.Join(filepath.Dir(file), "ns", "net")
		}
	}
	w.Fatalf("no process runs probe %v", args)
	return ""
}
