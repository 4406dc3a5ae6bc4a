package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// impliedName is the file in the agents' directory that holds the Nodes and
// Namespaces that the manifests imply without writing them down. It sorts first.
const impliedName = "00-implied.yaml"

// renderedName is the name, in the agents' directory, of the i-th file of the
// manifests: near enough to the author's for a complaint to be understood.
func renderedName(i int, path string) string {
	name := filepath.Base(path)
	if filepath.Ext(name) == ".json" {
		name += ".yaml" // the rendering has documents, which JSON has not
	}
	return fmt.Sprintf("%02d-%s", i+1, name)
}

// render writes a file of the manifests as an API server would show its objects
// once everything runs: with addresses, node names and the labels that it adds
// by itself. With policies, every document keeps its place, so that an agent's
// complaint about "document 3" is about the third that the author wrote;
// without, only what the lab is built of is there, and Services.
func (o *Objects) render(file manifest, plan *Plan, policies bool) ([]byte, error) {
	var documents [][]byte
	for _, document := range file.documents {
		if document.objects == nil {
			if policies || document.stays {
				documents = append(documents, []byte(document.text))
			}
			continue
		}
		var shown []any
		for _, object := range document.objects {
			shown = append(shown, showObject(object, plan))
		}
		text, err := marshalDocument(shown)
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", file.path, err)
		}
		documents = append(documents, text)
	}
	return joinDocuments(documents), nil
}

// renderImplied writes the Nodes and Namespaces that are only mentioned.
func (o *Objects) renderImplied(plan *Plan) ([]byte, error) {
	var implied []any
	for _, planned := range plan.Nodes {
		if !slices.ContainsFunc(o.Nodes, func(n *corev1.Node) bool { return n.Name == planned.Name }) {
			implied = append(implied, showNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: planned.Name}}, plan))
		}
	}
	declared := make(map[string]bool)
	for _, namespace := range o.Namespaces {
		declared[namespace.Name] = true
	}
	for _, pod := range o.Pods {
		if !declared[pod.Namespace] {
			declared[pod.Namespace] = true
			implied = append(implied, showNamespace(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: pod.Namespace}}))
		}
	}
	var documents [][]byte
	for _, object := range implied {
		text, err := marshalDocument([]any{object})
		if err != nil {
			return nil, fmt.Errorf("rendering the implied objects: %w", err)
		}
		documents = append(documents, text)
	}
	return joinDocuments(documents), nil
}

// marshalDocument writes one object, or several as a List.
func marshalDocument(objects []any) ([]byte, error) {
	var value any = map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}
	if len(objects) == 1 {
		value = objects[0]
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(asJSON)
}

func joinDocuments(documents [][]byte) []byte {
	var out bytes.Buffer
	for i, text := range documents {
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
		if !bytes.HasSuffix(text, []byte("\n")) {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

func showObject(object any, plan *Plan) any {
	switch object := object.(type) {
	case *corev1.Pod:
		return showPod(object, plan)
	case *corev1.Namespace:
		return showNamespace(object)
	case *corev1.Node:
		return showNode(object, plan)
	}
	return object
}

// showNode gives a node of the lab its addresses. A node of the manifests on
// which nothing runs is shown as it was given.
func showNode(given *corev1.Node, plan *Plan) *corev1.Node {
	node := given.DeepCopy()
	node.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	setLabel(&node.ObjectMeta, corev1.LabelHostname, node.Name)
	planned, ok := plan.Node(node.Name)
	if !ok {
		return node
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: planned.Name}}
	for _, address := range planned.Addresses {
		node.Status.Addresses = append(node.Status.Addresses,
			corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address.String()})
	}
	node.Spec.PodCIDR = planned.PodSubnets[0].String()
	node.Spec.PodCIDRs = nil
	for _, subnet := range planned.PodSubnets {
		node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, subnet.String())
	}
	return node
}

func showNamespace(given *corev1.Namespace) *corev1.Namespace {
	namespace := given.DeepCopy()
	namespace.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}
	setLabel(&namespace.ObjectMeta, corev1.LabelMetadataName, namespace.Name)
	return namespace
}

func setLabel(meta *metav1.ObjectMeta, key, value string) {
	if meta.Labels == nil {
		meta.Labels = make(map[string]string)
	}
	meta.Labels[key] = value
}

func showPod(given *corev1.Pod, plan *Plan) *corev1.Pod {
	pod := given.DeepCopy()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.Spec.NodeName = plan.nodeOf(given)
	if pod.Status.Phase == "" {
		pod.Status.Phase = corev1.PodRunning
	}
	i := slices.IndexFunc(plan.Pods, func(p PodPlan) bool { return p.Key() == podKey(given) })
	if i < 0 {
		return pod // it has ended: shown as it was given
	}
	pod.Status.PodIPs = nil
	for _, address := range plan.Pods[i].Addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: address.String()})
	}
	pod.Status.PodIP = pod.Status.PodIPs[0].IP
	node, _ := plan.Node(pod.Spec.NodeName)
	pod.Status.HostIP, pod.Status.HostIPs = node.Addresses[0].String(), nil
	for _, address := range node.Addresses {
		pod.Status.HostIPs = append(pod.Status.HostIPs, corev1.HostIP{IP: address.String()})
	}
	return pod
}
