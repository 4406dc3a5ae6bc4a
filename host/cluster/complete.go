package cluster

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// complete fills in what the API server fills in, of the fields that Sluice
// and its modules read (k8s.io/kubernetes, pkg/apis/core/v1/defaults.go,
// pkg/apis/discovery/v1/defaults.go and pkg/apis/networking/v1/defaults.go).
func complete(object metav1.Object) {
	switch object := object.(type) {
	case *corev1.Pod:
		object.Kind, object.APIVersion = "Pod", "v1"
		completePod(object)
	case *corev1.Namespace:
		object.Kind, object.APIVersion = "Namespace", "v1"
		completeNamespace(object)
	case *corev1.Node:
		object.Kind, object.APIVersion = "Node", "v1"
	case *corev1.Service:
		object.Kind, object.APIVersion = "Service", "v1"
		completeService(object)
	case *discoveryv1.EndpointSlice:
		object.Kind, object.APIVersion = "EndpointSlice", "discovery.k8s.io/v1"
		completeEndpointSlice(object)
	case *networkingv1.NetworkPolicy:
		object.Kind, object.APIVersion = "NetworkPolicy", "networking.k8s.io/v1"
		completeNetworkPolicy(object)
	}
}

func completePod(pod *corev1.Pod) {
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if port := &containers[i].Ports[j]; port.Protocol == "" {
					port.Protocol = corev1.ProtocolTCP
				}
			}
		}
	}
	if pod.Status.Phase == "" {
		pod.Status.Phase = corev1.PodPending
	}
	// The API server keeps podIP and podIPs[0] the same.
	switch {
	case len(pod.Status.PodIPs) > 0 && pod.Status.PodIP == "":
		pod.Status.PodIP = pod.Status.PodIPs[0].IP
	case len(pod.Status.PodIPs) == 0 && pod.Status.PodIP != "":
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	}
}

func completeNamespace(namespace *corev1.Namespace) {
	if namespace.Name != "" {
		if namespace.Labels == nil {
			namespace.Labels = map[string]string{}
		}
		namespace.Labels[corev1.LabelMetadataName] = namespace.Name
	}
	if namespace.Status.Phase == "" {
		namespace.Status.Phase = corev1.NamespaceActive
	}
}

func completeNetworkPolicy(policy *networkingv1.NetworkPolicy) {
	if policy.Namespace == "" {
		policy.Namespace = metav1.NamespaceDefault
	}
	if len(policy.Spec.PolicyTypes) == 0 {
		policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(policy.Spec.Egress) != 0 {
			policy.Spec.PolicyTypes = append(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	protocols := func(ports []networkingv1.NetworkPolicyPort) {
		for i := range ports {
			if ports[i].Protocol == nil {
				tcp := corev1.ProtocolTCP
				ports[i].Protocol = &tcp
			}
		}
	}
	for i := range policy.Spec.Ingress {
		protocols(policy.Spec.Ingress[i].Ports)
	}
	for i := range policy.Spec.Egress {
		protocols(policy.Spec.Egress[i].Ports)
	}
}

// impliedNamespace is the Namespace that is only mentioned.
func impliedNamespace(name string) *corev1.Namespace {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	complete(namespace)
	return namespace
}
