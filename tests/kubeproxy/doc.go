// Package kubeproxy holds Sluice's model of Services against kube-proxy's own code,
// k8s.io/kubernetes/pkg/proxy: random Services and EndpointSlices come, change and
// go, and after every step both must say the same about every port.
//
// It is a module of its own, so that Sluice does not depend on k8s.io/kubernetes.
package kubeproxy
