package agent

import (
	"context"

	"github.com/sluice-net/sluice/host/cluster"
)

// KubernetesConfig says how to reach the API server.
type KubernetesConfig struct {
	// Kubeconfig is a file as kubectl reads it. Default: the service account of
	// the Pod that the agent runs in.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Server is the API server's URL, in place of the one that the kubeconfig or
	// the Pod's environment names.
	Server string `json:"server,omitempty"`
}

// newSource is where objects come from.
func (a *agent) newSource(ctx context.Context) (cluster.Source, error) {
	c := a.Config
	if c.Kubernetes == nil {
		return cluster.NewManifests(cluster.Options{Paths: []string{c.Manifests}, ExtraResources: Watched(ctx, a.specs), Logger: a.log})
	}
	config, err := cluster.Connect(cluster.ConnectOptions{
		Kubeconfig: c.Kubernetes.Kubeconfig, Server: c.Kubernetes.Server, UserAgent: "sluice-agent/" + a.Version,
	})
	if err != nil {
		return nil, err
	}
	return cluster.NewKubernetes(cluster.KubernetesOptions{Config: config, NodeName: c.NodeName, Logger: a.log})
}
