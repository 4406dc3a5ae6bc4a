package cluster

import (
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// slim keeps of an object what Sluice reads. On a node of a large cluster the
// rest would be most of the agent's memory.
func slim(object metav1.Object) metav1.Object {
	switch o := object.(type) {
	case *corev1.Pod:
		return slimPod(o)
	case *corev1.Namespace:
		return slimNamespace(o)
	case *corev1.Node:
		return slimNode(o)
	}
	return withoutNotes(object)
}

// withoutNotes takes out what the API server and kubectl note for themselves.
func withoutNotes(object metav1.Object) metav1.Object {
	object.SetManagedFields(nil)
	if annotations := object.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		object.SetAnnotations(annotations)
	}
	return object
}

func slimPod(p *corev1.Pod) *corev1.Pod {
	slim := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: slimMeta(&p.ObjectMeta),
		Spec:       corev1.PodSpec{NodeName: shared(p.Spec.NodeName), HostNetwork: p.Spec.HostNetwork},
		Status:     corev1.PodStatus{Phase: corev1.PodPhase(shared(string(p.Status.Phase))), PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs},
	}
	slim.Spec.InitContainers = slimContainers(p.Spec.InitContainers)
	slim.Spec.Containers = slimContainers(p.Spec.Containers)
	return slim
}

// slimContainers keeps the containers that have named ports.
func slimContainers(containers []corev1.Container) []corev1.Container {
	var slim []corev1.Container
	for i := range containers {
		c := &containers[i]
		var ports []corev1.ContainerPort
		for _, port := range c.Ports {
			if port.Name != "" {
				ports = append(ports, corev1.ContainerPort{
					Name: shared(port.Name), ContainerPort: port.ContainerPort, Protocol: corev1.Protocol(shared(string(port.Protocol))),
				})
			}
		}
		if ports != nil {
			slim = append(slim, corev1.Container{Name: shared(c.Name), Ports: ports, RestartPolicy: c.RestartPolicy})
		}
	}
	return slim
}

func slimNamespace(n *corev1.Namespace) *corev1.Namespace {
	slim := &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
		ObjectMeta: slimMeta(&n.ObjectMeta),
		Status:     corev1.NamespaceStatus{Phase: n.Status.Phase},
	}
	if value, there := n.Annotations[AuditAnnotation]; there {
		slim.Annotations = map[string]string{AuditAnnotation: value}
	}
	return slim
}

func slimNode(n *corev1.Node) *corev1.Node {
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: slimMeta(&n.ObjectMeta),
		Spec:       corev1.NodeSpec{PodCIDR: n.Spec.PodCIDR, PodCIDRs: n.Spec.PodCIDRs, Taints: n.Spec.Taints},
		Status:     corev1.NodeStatus{Addresses: n.Status.Addresses},
	}
}

func slimMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	slim := metav1.ObjectMeta{
		Namespace: shared(m.Namespace), Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
		DeletionTimestamp: m.DeletionTimestamp,
	}
	if len(m.Labels) > 0 {
		slim.Labels = make(map[string]string, len(m.Labels))
		for k, v := range m.Labels {
			slim.Labels[shared(k)] = shared(v)
		}
	}
	return slim
}

// shared is the same text, held once however many objects have it.
func shared(text string) string {
	if text == "" {
		return ""
	}
	return unique.Make(text).Value()
}

// emptyOf is an object of a resource that the host itself reads; nil for every
// other.
func emptyOf(resource string) metav1.Object {
	switch resource {
	case Pods:
		return &corev1.Pod{}
	case Namespaces:
		return &corev1.Namespace{}
	case Nodes:
		return &corev1.Node{}
	case Services:
		return &corev1.Service{}
	case EndpointSlices:
		return &discoveryv1.EndpointSlice{}
	}
	return nil
}
