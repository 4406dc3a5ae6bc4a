package agent

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-net/sluice/host/catalog"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/report"
)

// speak writes what concerns the whole cluster, while this agent is the one to do so.
func (a *agent) speak(ctx context.Context) error {
	return report.NewSpeaker(report.SpeakerOptions{
		Client: a.api, Namespace: a.Config.Kubernetes.Namespace, NodeName: a.Config.NodeName,
		Modules: a.saidModules, Policies: a.saidPolicies,
		Nodes: func() int { return a.kube.Count(cluster.Nodes) }, Logger: a.log,
	}).Run(ctx)
}

// saidModules is what this agent makes of the PolicyModules.
func (a *agent) saidModules() []report.Module {
	running := map[string]plugin.Status{}
	for _, s := range a.supervisor.Status() {
		running[s.Name] = s
	}
	var list []report.Module
	for _, e := range a.catalog.Entries() {
		m := report.Module{Name: e.Name, UID: e.Version.UID, Generation: e.Version.Generation, Accepted: true, Reason: catalog.ReasonAccepted}
		s, there := running[e.Name]
		if there && e.Followed != 0 {
			m.Digest = s.Digest
		}
		switch {
		case e.Message != "":
			m.Accepted, m.Reason, m.Message = false, e.Reason, brief(e.Message)
		case there && s.LastError != "":
			m.Accepted, m.Reason, m.Message = false, catalog.ReasonNotLoaded, brief(s.LastError)
		}
		list = append(list, m)
	}
	return list
}

// saidPolicies is what modules say of policy objects.
func (a *agent) saidPolicies() []report.Policy {
	var list []report.Policy
	for _, r := range a.engine.reports.list() {
		list = append(list, report.Policy{
			Resource: schema.ParseGroupResource(r.resource), Namespace: r.namespace, Name: r.name, Module: r.module, Life: r.life,
			Accepted: r.True, Reason: cmp.Or(r.Reason, "Accepted"), Message: brief(r.Message),
		})
	}
	return list
}
