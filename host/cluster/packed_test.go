package cluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A packed Pod comes back as slim left it, and is much smaller.
func TestPacked(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	now := metav1.Now().Rfc3339Copy()
	pod := slimPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: "u", ResourceVersion: "7", Generation: 2, DeletionTimestamp: &now,
			Labels: map[string]string{"app": "web", "tier": "front"},
		},
		Spec: corev1.PodSpec{NodeName: "n", HostNetwork: true, InitContainers: []corev1.Container{{
			Name: "side", RestartPolicy: &always, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "fd00::1"}}},
	})
	small, err := pack(pod)
	if err != nil {
		t.Fatal(err)
	}
	if len(small) > 300 {
		t.Errorf("it has %d bytes", len(small))
	}
	e := Event{Op: Put, Resource: Pods, Object: small}
	got, is := e.Pod()
	if diff := cmp.Diff(pod, got); !is || diff != "" {
		t.Error(diff)
	}
	if _, is := (&Event{Op: Delete, Resource: Pods}).Pod(); is {
		t.Error("a Delete has a Pod")
	}
}
