package agent

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
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
	// Namespace is the agents' own: ConfigMaps with modules are read there.
	// Default: that of the Pod that the agent runs in, or sluice-system.
	Namespace string `json:"namespace,omitempty"`
}

// namespaceFile is where a Pod finds its namespace (Kubernetes, "Accessing the
// Kubernetes API from a Pod").
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func (c *KubernetesConfig) complete() {
	if c.Namespace != "" {
		return
	}
	c.Namespace = "sluice-system"
	if name, err := os.ReadFile(namespaceFile); err == nil && len(name) > 0 {
		c.Namespace = string(bytes.TrimSpace(name))
	}
}

// newSource is where objects come from.
func (a *agent) newSource(ctx context.Context) (cluster.Source, error) {
	c := a.Config
	if c.Kubernetes == nil {
		return cluster.NewManifests(cluster.Options{
			Paths: []string{c.Manifests}, ExtraResources: append(Watched(ctx, a.specs), v1alpha1.PolicyModules), Logger: a.log,
		})
	}
	config, err := cluster.Connect(cluster.ConnectOptions{
		Kubeconfig: c.Kubernetes.Kubeconfig, Server: c.Kubernetes.Server, UserAgent: "sluice-agent/" + a.Version,
	})
	if err != nil {
		return nil, err
	}
	if a.api, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	a.kube, err = cluster.NewKubernetes(cluster.KubernetesOptions{
		Config: config, NodeName: c.NodeName, First: []string{v1alpha1.PolicyModules}, Services: *c.Services.Enabled,
		Keep: filepath.Join(c.StateDir, "objects"), Logger: a.log,
	})
	return a.kube, err
}
