package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/report"
)

// reportNode writes the NodePolicyStatus until ctx ends.
func (a *agent) reportNode(ctx context.Context) error {
	return report.NewNode(report.Options{
		Client: a.api, NodeName: a.Config.NodeName, Status: a.nodeStatus, Changed: a.realising.changed,
		Nodes: func() int { return a.kube.Count(cluster.Nodes) }, Logger: a.log,
	}).Run(ctx)
}

// The bounds of what a NodePolicyStatus holds: it is one object of many.
const (
	maxRefusals = 32
	maxText     = 512
)

// nodeStatus is what is in force, as others may know it.
func (a *agent) nodeStatus(ctx context.Context) (v1alpha1.NodeStatus, error) {
	s, err := a.status(ctx)
	if err != nil {
		return v1alpha1.NodeStatus{}, err
	}
	out := v1alpha1.NodeStatus{
		AgentVersion: s.Version, Modules: []v1alpha1.NodeModule{}, Realised: []v1alpha1.RealisedResource{}, Refused: []v1alpha1.Refusal{},
		Pods: v1alpha1.NodePods{Attached: int32(len(s.Pods))},
	}
	for _, at := range a.attacher.Attachments() {
		if at.Adopted() {
			out.Pods.Adopted++
		}
	}
	a.nodeModules(&out)
	a.nodeRefusals(&out, s.Problems)
	versions, at := a.realising.get()
	for _, resource := range slices.Sorted(maps.Keys(versions)) {
		if isPolicy(resource) {
			out.Realised = append(out.Realised, v1alpha1.RealisedResource{Resource: resource, ResourceVersion: versions[resource]})
		}
	}
	if !at.IsZero() {
		out.RealisedAt = metav1.NewTime(at.Truncate(time.Second))
	}
	if since := a.kube.FromDisk(); !since.IsZero() {
		out.FromDisk = metav1.NewTime(since.Truncate(time.Second))
	}
	out.Conditions = []metav1.Condition{a.readiness(s)}
	return out, nil
}

// isPolicy says whether a resource is one that rules come from: of the others the
// versions change with every Pod.
func isPolicy(resource string) bool {
	switch resource {
	case cluster.Pods, cluster.Namespaces, cluster.Nodes, cluster.Services, cluster.EndpointSlices, v1alpha1.PolicyModules:
		return false
	}
	return true
}

// nodeModules lists the modules that run, and those that should.
func (a *agent) nodeModules(out *v1alpha1.NodeStatus) {
	followed := map[string]int64{}
	entries := a.catalog.Entries()
	for _, e := range entries {
		followed[e.Name] = e.Followed
	}
	running, runs := 0, map[string]bool{}
	for _, m := range a.supervisor.Status() {
		runs[m.Name] = true
		if m.State == plugin.Running {
			running++
		}
		out.Modules = append(out.Modules, v1alpha1.NodeModule{
			Name: m.Name, State: string(m.State), Mode: v1alpha1.Mode(m.Mode.String()), Digest: m.Digest, Version: m.Version,
			Generation: int32(m.Generation), ObservedGeneration: followed[m.Name], LastError: brief(m.LastError),
		})
	}
	for i := range entries {
		if e := &entries[i]; e.Message != "" {
			if m := moduleNamed(out.Modules, e.Name); m != nil {
				m.LastError = brief(e.Message)
			} else {
				out.Modules = append(out.Modules, v1alpha1.NodeModule{Name: e.Name, State: string(plugin.Failed), Mode: v1alpha1.Enforce, LastError: brief(e.Message)})
			}
		}
	}
	a.engine.reports.keepOnly(runs)
	out.ModulesRunning = fmt.Sprintf("%d/%d", running, len(out.Modules))
}

func moduleNamed(modules []v1alpha1.NodeModule, name string) *v1alpha1.NodeModule {
	for i := range modules {
		if modules[i].Name == name {
			return &modules[i]
		}
	}
	return nil
}

// nodeRefusals lists what is not in force as written, and what is not there to be.
func (a *agent) nodeRefusals(out *v1alpha1.NodeStatus, problems []cluster.Problem) {
	add := func(r v1alpha1.Refusal) {
		if out.RefusedTotal++; len(out.Refused) < maxRefusals {
			r.Reason = brief(r.Reason)
			out.Refused = append(out.Refused, r)
		}
	}
	for _, p := range problems {
		switch {
		case !p.NotServed:
			add(v1alpha1.Refusal{Object: p.Object, Reason: p.Reason})
		case len(out.NotServed) < maxRefusals:
			out.NotServed = append(out.NotServed, v1alpha1.NotServed{Resource: p.Object, Reason: brief(p.Reason)})
		}
	}
	for _, r := range a.engine.reports.list() {
		if r.True && r.Message == "" {
			continue
		}
		add(v1alpha1.Refusal{Object: r.object(), Module: r.module, Reason: r.Reason + ": " + r.Message})
	}
}

func brief(text string) string {
	if len(text) <= maxText {
		return text
	}
	return text[:maxText] + " [...]"
}

// readiness is the condition Ready.
func (a *agent) readiness(s Status) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.Ready, Status: metav1.ConditionTrue, Reason: "Enforcing", Message: "all policy that was read is in force"}
	switch {
	case s.Held != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Held", s.Held
	case s.LastError != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "NotRealised", "what was in force before stays: "+s.LastError
	}
	c.Message = brief(c.Message)
	c.LastTransitionTime = a.realising.since(c.Type + string(c.Status) + c.Reason)
	return c
}
