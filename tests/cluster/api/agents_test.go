package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/inforce"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/cluster/figures"
	"github.com/sluice-net/sluice/tests/cluster/process"
)

const (
	startAtOnce  = 5 // agents: a module is compiled for each
	policyWrites = 10
	quietTime    = 30 * time.Second
	crowdASecond = 10
	crowdTime    = 20 * time.Second
)

// concerning is about a Pod on each node.
const concerning = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: team-0, name: all},
  spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {tier: t-0}}}], ports: [{port: %d}]}]}}`

// BenchmarkAgents measures SLUICE_AGENTS (50) agents, each with an Open vSwitch of its own
// and a Pod, against one API server, while a policy changes that concerns all of them.
func BenchmarkAgents(b *testing.B) {
	count := 50
	if text := os.Getenv("SLUICE_AGENTS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	api := apitest.Start(b)
	w := newWriter(b, api.Admin())
	w.applyCRDs()
	client := coreClient(b, api.Admin())
	p := &population{pods: 20 * count, namespaces: 20, policies: 40, perNode: 20}
	p.settle(b, api, w, client)
	nodes := make([]*node, count)
	for i := range nodes {
		nodes[i] = newNode(b, api, w, p.nodeName(i*p.perNode), map[string]any{"adoptExistingPods": false})
	}
	for group := range slices.Chunk(nodes, startAtOnce) {
		for _, n := range group {
			n.start()
		}
		for _, n := range group {
			n.await("everything in force", func(s agent.Status) bool { return s.Held == "" && len(s.Modules) == 1 && s.Modules[0].Rules > 0 })
		}
	}
	for i, n := range nodes {
		own := i * p.perNode
		for p.namespaceOf(own) != "team-0" {
			own++
		}
		n.attach([]localPod{{p.namespaceOf(own), p.podName(own), p.address(own)}})
	}
	table := figures.New(fmt.Sprintf("%d agents against one API server", count))
	for b.Loop() {
		all := crowd{w, api, nodes, client}
		all.measureRest(table)
		all.measureChanges(table)
		all.measureChurn(table, p)
	}
	if err := table.Finish(os.Stdout); err != nil {
		b.Fatal(err)
	}
	for _, n := range nodes {
		n.stop(syscall.SIGKILL) // all at once would take the machine a while
	}
}

// crowd is many agents.
type crowd struct {
	writer
	api   *controlplane.Server
	nodes []*node
	core  *rest.RESTClient
}

// paid is what the API server has given until now.
type paid struct {
	cpu      time.Duration
	requests map[string]float64 // by verb and resource
	bytes    int64
}

func (c *crowd) paid() paid {
	c.t.Helper()
	text, err := c.core.Get().AbsPath("/metrics").Do(c.t.Context()).Raw()
	if err != nil {
		c.t.Fatal(err)
	}
	p := paid{cpu: spent(c.t, c.api), requests: requestsIn(text)}
	for _, n := range c.nodes {
		p.bytes += n.received.Load()
	}
	return p
}

// requestsIn sums apiserver_request_total by verb and resource.
func requestsIn(metrics []byte) map[string]float64 {
	sums := map[string]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		labels, is := strings.CutPrefix(lines.Text(), "apiserver_request_total{")
		if !is {
			continue
		}
		labels, value, _ := strings.Cut(labels, "} ")
		label := func(name string) string {
			_, rest, _ := strings.Cut(labels, name+`="`)
			text, _, _ := strings.Cut(rest, `"`)
			return text
		}
		n, err := strconv.ParseFloat(value, 64)
		if resource := label("resource"); err == nil && resource != "" {
			sums[label(",verb")+" "+resource] += n
		}
	}
	return sums
}

// since are the requests after others, the most frequent first.
func (p paid) since(before paid) (total float64, note string) {
	more := map[string]float64{}
	for name, n := range p.requests {
		if n > before.requests[name] {
			more[name] = n - before.requests[name]
			total += more[name]
		}
	}
	names := slices.SortedFunc(maps.Keys(more), func(a, b string) int { return int(more[b] - more[a]) })
	var list []string
	for _, name := range names[:min(4, len(names))] {
		list = append(list, fmt.Sprintf("%.0f %s", more[name], name))
	}
	return total, strings.Join(list, ", ")
}

// measureRest measures what agents cost while nothing changes.
func (c *crowd) measureRest(table *figures.Table) {
	c.t.Helper()
	time.Sleep(5 * time.Second)
	before := c.paid()
	time.Sleep(quietTime)
	after := c.paid()
	requests, note := after.since(before)
	table.Add(figures.Figure{Work: "nothing changes: processor time of the API server", Value: (after.cpu - before.cpu).Seconds() / quietTime.Seconds() * 100, Unit: "% of a core"})
	table.Add(figures.Figure{Work: "  requests of all", Value: requests / quietTime.Seconds(), Unit: "/s", Note: note})
	table.Add(figures.Figure{Work: "  bytes to an agent", Value: float64(after.bytes-before.bytes) / float64(len(c.nodes)) / quietTime.Seconds(), Unit: "B/s"})
}

// measureChanges changes the policy and waits until each node says that it is in force.
func (c *crowd) measureChanges(table *figures.Table) {
	c.t.Helper()
	var one, every, waited []time.Duration
	before := c.paid()
	for i := range policyWrites {
		said := c.statuses()
		written := c.apply(concerning, 9000+i)
		begin := time.Now()
		took := said.until(c.t, c.nodes, number(written.GetResourceVersion()), begin)
		one, every = append(one, took...), append(every, slices.Max(took))
		if i%5 == 0 { // each look is a request for each node
			begin = time.Now()
			result, err := inforce.Wait(c.t.Context(), c.writer.client, inforce.Policy{Kind: "networkpolicy", Namespace: "team-0", Name: "all"}, nil)
			if err != nil || !result.InForce() || len(result.Nodes) != len(c.nodes) {
				c.t.Fatalf("%v: %+v", err, result)
			}
			waited = append(waited, time.Since(begin))
		}
		said.stop()
		time.Sleep(2 * time.Second)
	}
	after := c.paid()
	requests, note := after.since(before)
	table.Percentiles("a policy that concerns all changes: one node says so", one, 0, "after the API server's acknowledgement")
	table.Percentiles("  all nodes have said so", every, 0, "")
	table.Percentiles("  sluicectl wait, when all have", waited, 0, "")
	table.Add(figures.Figure{Work: "  processor time of the API server, a change", Value: (after.cpu - before.cpu).Seconds() * 1000 / policyWrites, Unit: "ms", Note: "with 2 s of rest, and what the test asks"})
	table.Add(figures.Figure{Work: "  requests, a change", Value: requests / policyWrites, Unit: "", Note: note})
	table.Add(figures.Figure{Work: "  bytes to an agent, a change", Value: float64(after.bytes-before.bytes) / float64(len(c.nodes)) / policyWrites, Unit: "B"})
	var rss, sandbox float64
	for _, n := range c.nodes {
		s, err := n.status()
		if err != nil {
			c.t.Fatal(err)
		}
		used, err := process.UsageOf(n.agent.Process.Pid)
		if err != nil {
			c.t.Fatal(err)
		}
		rss += used.RSS
		sandbox += float64(s.Modules[0].RSSBytes)
	}
	table.Add(figures.Figure{Work: "memory of an agent", Value: rss / float64(len(c.nodes)) / (1 << 20), Unit: "MiB"})
	table.Add(figures.Figure{Work: "memory of a sandbox", Value: sandbox / float64(len(c.nodes)) / (1 << 20), Unit: "MiB"})
}

// measureChurn lets Pods come and go that concern no node.
func (c *crowd) measureChurn(table *figures.Table, p *population) {
	c.t.Helper()
	before, begin := c.paid(), time.Now()
	count, err := p.churn(c.t.Context(), c.core, crowdASecond, crowdTime)
	if err != nil {
		c.t.Fatal(err)
	}
	took := time.Since(begin)
	time.Sleep(time.Second) // the last events are on the way
	after := c.paid()
	agents := fmt.Sprintf("which is written three times and told to %d agents", len(c.nodes))
	table.Add(figures.Figure{Work: "Pods that come and go", Value: float64(count) / took.Seconds(), Unit: "/s"})
	table.Add(figures.Figure{Work: "  processor time of the API server, a Pod", Value: (after.cpu - before.cpu).Seconds() * 1000 / float64(count), Unit: "ms", Note: agents})
	table.Add(figures.Figure{Work: "  bytes to an agent for an event", Value: float64(after.bytes-before.bytes) / float64(len(c.nodes)) / float64(3*count), Unit: "B"})
}

// sayings hears what the nodes say of policy.
type sayings struct {
	heard chan said
	stop  context.CancelFunc
}

type said struct {
	node    string
	version uint64
	at      time.Time
}

// statuses follows the NodePolicyStatuses.
func (c *crowd) statuses() *sayings {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	resource := c.writer.client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"})
	list, err := resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	changes, err := resource.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		c.t.Fatal(err)
	}
	s := &sayings{heard: make(chan said, 10*len(c.nodes)), stop: cancel}
	go func() {
		defer changes.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case e, more := <-changes.ResultChan():
				if !more {
					return
				}
				o, is := e.Object.(*unstructured.Unstructured)
				if !is {
					continue
				}
				var status v1alpha1.NodePolicyStatus
				if runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &status) != nil {
					continue
				}
				for _, r := range status.Status.Realised {
					if r.Resource == cluster.NetworkPolicies {
						s.heard <- said{status.Name, number(r.ResourceVersion), time.Now()}
					}
				}
			}
		}
	}()
	return s
}

// until waits until every node has said so of a version, and returns when each did.
func (s *sayings) until(t testing.TB, nodes []*node, version uint64, begin time.Time) []time.Duration {
	t.Helper()
	took := map[string]time.Duration{}
	for limit := time.After(patience); len(took) < len(nodes); {
		select {
		case h := <-s.heard:
			if _, there := took[h.node]; !there && h.version >= version {
				took[h.node] = h.at.Sub(begin)
			}
		case <-limit:
			t.Fatalf("%d of %d nodes have said that version %d is in force", len(took), len(nodes), version)
		}
	}
	return slices.Collect(maps.Values(took))
}
