package verdict

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/proxy"
)

// LoadOptions say what to judge.
type LoadOptions struct {
	Manifests   []string
	Resources   []string // that the modules watch, besides NetworkPolicies
	Modules     []plugin.Spec
	SandboxPath string // of the program sluice-sandbox
	// Place completes a Pod of the manifests: its node and addresses.
	Place func(*corev1.Pod)
	// Nodes are known besides those of the manifests.
	Nodes  []inventory.Node
	Logger *slog.Logger
	// Reports receives what the modules tell the authors of objects; nil drops it.
	Reports func(module string, report abi.Report)
}

// settleTime bounds how long the modules may take over the manifests.
const settleTime = time.Minute

// Loaded is what would be in force.
type Loaded struct {
	View     policy.View
	Problems []cluster.Problem // what of the manifests would not
	events   []cluster.Event
	services map[string]*proxy.Model
}

// Services are the Services as the Pods of a node see them. They are worked out
// when a node is asked about for the first time.
func (l *Loaded) Services(node string) *proxy.Model {
	if known := l.services[node]; known != nil {
		return known
	}
	m := proxy.New(proxy.Options{NodeName: node, EndpointsFromPods: true})
	m.Apply(l.events)
	m.Flush()
	l.services[node] = m
	return m
}

// ServicesFor are the Services as who opens a connection sees them; of somebody who
// is no Pod, as nobody's node does.
func (l *Loaded) ServicesFor(from string) *proxy.Model {
	node := ""
	if addresses, err := addresses(l.View.Inventory, from); err == nil {
		if pod, isPod := l.View.Inventory.PodByAddr(addresses[0]); isPod {
			node = pod.Node()
		}
	}
	return l.Services(node)
}

// Load reads manifests and lets every module handle them in its own sandbox. A
// module that fails is an error that names it and the reason.
func Load(ctx context.Context, o LoadOptions) (*Loaded, error) {
	events, problems, err := cluster.LoadOnce(o.Manifests, o.Resources...)
	if err != nil {
		return nil, err
	}
	inv := inventory.New()
	for _, n := range o.Nodes {
		inv.PutNode(n)
	}
	var objects []abi.Event
	for i := range events {
		e := &events[i]
		if pod, ok := e.Pod(); ok && o.Place != nil {
			pod = pod.DeepCopy()
			o.Place(pod)
			e.Object = pod
		}
		cluster.Learn(inv, *e)
		objects = append(objects, cluster.ModuleEvent(*e))
	}
	layers, err := handle(ctx, o, objects)
	if err != nil {
		return nil, err
	}
	return &Loaded{
		View: policy.View{Inventory: inv.Snapshot(), Layers: layers}, Problems: problems, events: events, services: map[string]*proxy.Model{},
	}, nil
}

// handle runs the modules over the objects and takes what they commit.
func handle(ctx context.Context, o LoadOptions, objects []abi.Event) ([]*policy.Layer, error) {
	s, err := plugin.New(plugin.Options{Committer: committer{o.Reports}, SandboxPath: o.SandboxPath, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for _, m := range o.Modules {
		if err := s.Add(m); err != nil {
			return nil, err
		}
	}
	s.Deliver(objects)
	s.Synced()
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := s.Settled(ctx); err != nil {
		return nil, fmt.Errorf("modules over the manifests: %w", err)
	}
	return s.Layers(), nil
}

// committer makes transactions real at once: there is no switch behind it.
type committer struct {
	reports func(string, abi.Report)
}

// Commit implements plugin.Committer.
func (c committer) Commit(_ context.Context, layer *policy.Layer, txn *policy.Txn) error {
	if err := txn.Check(); err != nil {
		return err
	}
	layer.Commit(txn)
	if c.reports != nil {
		for _, r := range txn.Reports() {
			c.reports(layer.Module(), r)
		}
	}
	return nil
}
