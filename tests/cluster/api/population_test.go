package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"github.com/sluice-net/sluice/tests/cluster/controlplane"
)

// population is a cluster of many Pods. The first of its nodes is the one whose agent
// is measured: its Pods are number 0 to perNode.
type population struct {
	pods, namespaces, policies int
	perNode                    int
	pod                        *corev1.Pod // what all are copies of, as the API server stores it
	namespace                  *corev1.Namespace
}

func (p *population) podName(i int) string { return fmt.Sprintf("web-7c9d8b6f54-%06d", i) }
func (p *population) nodeName(i int) string {
	return fmt.Sprintf("node-%d", i/p.perNode)
}
func (p *population) namespaceOf(i int) string { return fmt.Sprintf("team-%d", i%p.namespaces) }

// application is what five Pods of a Namespace, of which there are twenty, are copies of.
func (p *population) application(i int) string { return fmt.Sprintf("app-%d", i/p.namespaces/5) }

// team has ten Namespaces.
func (p *population) team(i int) string { return fmt.Sprintf("t-%d", i%p.namespaces/10) }

func (p *population) address(i int) string {
	return fmt.Sprintf("10.%d.%d.%d", 128+i>>16, i>>8&255, i&255)
}

// labels are what a Deployment's Pod has.
func (p *population) labels(i int) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": p.application(i), "app.kubernetes.io/part-of": "shop", "tier": fmt.Sprintf("t-%d", i/p.namespaces/10),
		"pod-template-hash": fmt.Sprintf("7c9d8b%04x%x", i%p.namespaces, i/p.namespaces/5),
	}
}

// typical is a Pod of a Deployment, as its controller writes it.
const typical = `{apiVersion: v1, kind: Pod, metadata: {namespace: default, name: typical, labels: {app.kubernetes.io/name: a, app.kubernetes.io/part-of: shop, tier: t, pod-template-hash: h},
    annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9090"},
    ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-7c9d8b6f54, uid: 6f0d7c52-0f52-4c5e-9a0e-0c8a2f3a4b5c, controller: true, blockOwnerDeletion: true}]},
  spec: {nodeName: node, automountServiceAccountToken: false,
    containers: [{name: web, image: "registry.example.org/shop/web@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
      ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}],
      env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: LOG_LEVEL, value: info}, {name: DATABASE, value: db.shop.svc.cluster.local}],
      resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}},
      readinessProbe: {httpGet: {path: /ready, port: http}}, livenessProbe: {httpGet: {path: /live, port: http}},
      volumeMounts: [{name: config, mountPath: /etc/web}]}],
    tolerations: [{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}, {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}],
    volumes: [{name: config, configMap: {name: web}}]},
  status: {phase: Running, hostIP: 192.0.2.10, podIP: 10.128.0.1, podIPs: [{ip: 10.128.0.1}], startTime: "2026-01-01T00:00:00Z", qosClass: Burstable,
    conditions: [{type: Initialized, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}, {type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:03Z"},
      {type: ContainersReady, status: "True", lastTransitionTime: "2026-01-01T00:00:03Z"}, {type: PodScheduled, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}],
    containerStatuses: [{name: web, ready: true, started: true, restartCount: 0, image: registry.example.org/shop/web, imageID: "registry.example.org/shop/web@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
      containerID: "containerd://9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", state: {running: {startedAt: "2026-01-01T00:00:02Z"}}}]}}`

// settle writes the population into the API. What its Pods have beside their names, the
// API server itself has made of a typical one.
func (p *population) settle(t testing.TB, api *controlplane.Server, w writer, client *rest.RESTClient) {
	t.Helper()
	w.apply(namespace, "default")
	w.apply(typical)
	p.pod, p.namespace = &corev1.Pod{}, &corev1.Namespace{}
	err := errors.Join(
		client.Get().Resource("pods").Namespace("default").Name("typical").Do(t.Context()).Into(p.pod),
		client.Get().Resource("namespaces").Name("default").Do(t.Context()).Into(p.namespace),
	)
	if err == nil {
		err = api.Store(t.Context(), p.all())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// all are the objects as etcd holds them.
func (p *population) all() iter.Seq[controlplane.Stored] {
	return func(yield func(controlplane.Stored) bool) {
		for i := range p.namespaces {
			ns := p.namespace.DeepCopy()
			own(&ns.ObjectMeta, "", p.namespaceOf(i), 1, i)
			ns.Labels = map[string]string{corev1.LabelMetadataName: ns.Name, "team": p.team(i)}
			if !yield(controlplane.Stored{Key: "namespaces/" + ns.Name, Object: ns}) {
				return
			}
		}
		for i := range p.pods {
			pod := p.podOf(i)
			if !yield(controlplane.Stored{Key: "pods/" + pod.Namespace + "/" + pod.Name, Object: pod}) {
				return
			}
		}
		for i := range p.policies {
			np := p.policyOf(i)
			if !yield(controlplane.Stored{Key: "networkpolicies/" + np.Namespace + "/" + np.Name, Object: np}) {
				return
			}
		}
	}
}

// own gives an object its own name.
func own(m *metav1.ObjectMeta, namespace, name string, kind, number int) {
	m.Namespace, m.Name, m.UID = namespace, name, types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, number))
	m.ResourceVersion = ""
}

func (p *population) podOf(i int) *corev1.Pod {
	pod := p.pod.DeepCopy()
	own(&pod.ObjectMeta, p.namespaceOf(i), p.podName(i), 2, i)
	pod.Labels, pod.Spec.NodeName = p.labels(i), p.nodeName(i)
	pod.Status.PodIP, pod.Status.PodIPs = p.address(i), []corev1.PodIP{{IP: p.address(i)}}
	return pod
}

// policyOf is a policy. The first of each Namespace is about one application, which a tier
// of its neighbours may speak to; the second lets its team into all of it.
func (p *population) policyOf(i int) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}}
	own(&np.ObjectMeta, p.namespaceOf(i), fmt.Sprintf("policy-%d", i), 3, i)
	np.CreationTimestamp, np.Generation = p.pod.CreationTimestamp, 1
	np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	peer := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": fmt.Sprintf("t-%d", i%2)}}}
	if i%(2*p.namespaces) < p.namespaces {
		np.Spec.PodSelector.MatchLabels = map[string]string{"app.kubernetes.io/name": "app-0"}
	} else {
		peer = networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": p.team(i)}}}
	}
	np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{peer}, Ports: portsOf(8080, 9090)}}
	return np
}

func portsOf(numbers ...int32) (ports []networkingv1.NetworkPolicyPort) {
	for _, n := range numbers {
		tcp, port := corev1.ProtocolTCP, intstr.FromInt32(n)
		ports = append(ports, networkingv1.NetworkPolicyPort{Protocol: &tcp, Port: &port})
	}
	return ports
}

// coreClient speaks protobuf with the core group, as fast as it is answered.
func coreClient(t testing.TB, kubeconfig string) *rest.RESTClient {
	t.Helper()
	config := connect(t, kubeconfig)
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.GroupVersion, config.APIPath = &corev1.SchemeGroupVersion, "/api"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf
	client, err := rest.RESTClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// churn lets Pods come and go at a pace, as far as the API server keeps up, and says how
// many did.
func (p *population) churn(ctx context.Context, client *rest.RESTClient, perSecond int, during time.Duration) (count int, err error) {
	count = int(during.Seconds()) * perSecond
	pace := time.NewTicker(time.Second / time.Duration(perSecond))
	defer pace.Stop()
	return count, side(ctx, churnAtOnce, count, func(ctx context.Context, i int) error {
		<-pace.C
		return p.live(ctx, client, p.pods+i)
	})
}

// live makes a Pod through the API, lets it run, and deletes it: what one that comes and
// goes is to those who watch.
func (p *population) live(ctx context.Context, client *rest.RESTClient, i int) error {
	pod := p.podOf(i)
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Annotations: pod.Annotations, OwnerReferences: pod.OwnerReferences}
	status := pod.Status
	made := &corev1.Pod{}
	if err := client.Post().Resource("pods").Namespace(pod.Namespace).Body(pod).Do(ctx).Into(made); err != nil {
		return err
	}
	made.Status = status
	if err := client.Put().Resource("pods").SubResource("status").Namespace(pod.Namespace).Name(pod.Name).Body(made).Do(ctx).Error(); err != nil {
		return err
	}
	return client.Delete().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).Body(metav1.NewDeleteOptions(0)).Do(ctx).Error()
}
