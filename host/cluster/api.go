package cluster

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ConnectOptions say where the API server is.
type ConnectOptions struct {
	// Kubeconfig is a file as kubectl reads it. Empty: this is a Pod, and its
	// service account and environment say where and as whom.
	Kubeconfig string
	// Server replaces the address, for instance where no kube-proxy leads to the
	// one that Pods are told.
	Server string
	// UserAgent is how the API server's logs name the caller.
	UserAgent string
}

// Connect reads how to reach the API server; it sends nothing.
func Connect(o ConnectOptions) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if o.Kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("how to reach the Kubernetes API: %w", err)
	}
	if o.Server != "" {
		config.Host = o.Server
	}
	config.UserAgent = o.UserAgent
	// Bounds for a client that went wrong: an agent asks a few questions when it
	// starts, and then only listens.
	config.QPS, config.Burst = 20, 50
	return config, nil
}

// api is the API server, as far as a source talks to it.
type api struct {
	server  string
	typed   map[string]*rest.RESTClient // by group, in protobuf: what the host itself reads
	dynamic dynamic.Interface
}

func newAPI(config *rest.Config) (*api, error) {
	// One connection for all of it.
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("how to reach the Kubernetes API at %s: %w", config.Host, err)
	}
	a := &api{server: config.Host, typed: map[string]*rest.RESTClient{}}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	for _, gv := range []schema.GroupVersion{corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion} {
		c := rest.CopyConfig(config)
		c.GroupVersion, c.NegotiatedSerializer = &gv, codecs
		if c.APIPath = "/apis"; gv.Group == "" {
			c.APIPath = "/api"
		}
		c.ContentType, c.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
		if a.typed[gv.Group], err = rest.RESTClientForConfigAndClient(c, client); err != nil {
			return nil, err
		}
	}
	if a.dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return nil, err
	}
	return a, nil
}
