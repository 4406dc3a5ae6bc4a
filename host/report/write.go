package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

func status(accepted bool) string {
	if accepted {
		return string(metav1.ConditionTrue)
	}
	return string(metav1.ConditionFalse)
}

// condition is one as the API has it. The time is that of the one before, if that says
// the same.
func condition(kind string, accepted bool, reason, message string, generation int64, before *unstructured.Unstructured) map[string]any {
	c := map[string]any{
		"type": kind, "status": status(accepted), "reason": reason, "message": message, "observedGeneration": generation,
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}
	list, _, _ := unstructured.NestedSlice(before.Object, "status", "conditions") // the API has checked what it is
	for _, each := range list {
		if old, _ := each.(map[string]any); old["type"] == kind && old["status"] == c["status"] {
			c["lastTransitionTime"] = old["lastTransitionTime"]
		}
	}
	return c
}

// writeModule writes the status of a PolicyModule.
func (s *Speaker) writeModule(ctx context.Context, m Module) error {
	r := s.Client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "policymodules"})
	now, err := r.Get(ctx, m.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil // it has just gone
	}
	if err == nil {
		var patch []byte
		patch, err = json.Marshal(map[string]any{"status": map[string]any{
			"digest": m.Digest, "running": s.running[m.Name],
			"conditions": []any{condition(v1alpha1.Accepted, m.Accepted, m.Reason, m.Message, m.Generation, now)},
		}})
		if err == nil {
			_, err = r.Patch(ctx, m.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager}, "status")
		}
	}
	if err != nil {
		return fmt.Errorf("write the status of PolicyModule %s: %w", m.Name, err)
	}
	return nil
}

// ConditionAccepted is the type of the condition on a ClusterNetworkPolicy, with a
// domain as it is not the API's own.
const ConditionAccepted = v1alpha1.Group + "/Accepted"

// writeCondition writes ours beside those of others: server-side apply owns one
// element of the list.
func (s *Speaker) writeCondition(ctx context.Context, p Policy) error {
	r := s.Client.Resource(p.Resource.WithVersion("v1alpha2"))
	now, err := r.Get(ctx, p.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		_, err = r.ApplyStatus(ctx, p.Name, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": now.GetAPIVersion(), "kind": now.GetKind(), "metadata": map[string]any{"name": p.Name},
			"status": map[string]any{"conditions": []any{condition(ConditionAccepted, p.Accepted, p.Reason, p.Message, now.GetGeneration(), now)}},
		}}, metav1.ApplyOptions{FieldManager: manager, Force: true})
	}
	if err != nil {
		return fmt.Errorf("write a condition of %v %s: %w", p.Resource, p.Name, err)
	}
	return nil
}

// writeEvent makes an Event about an object; its name depends on what it says, so
// that saying it again is one Event and not two.
func (s *Speaker) writeEvent(ctx context.Context, p Policy) error {
	fail := func(err error) error {
		return fmt.Errorf("write an Event about %v %s/%s: %w", p.Resource, p.Namespace, p.Name, err)
	}
	object, err := s.Client.Resource(p.Resource.WithVersion("v1")).Namespace(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s", object.GetUID(), p.Module, p.Reason, p.Message))
	now := time.Now().UTC().Format(time.RFC3339)
	event := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"namespace": p.Namespace, "name": object.GetName() + "." + hex.EncodeToString(sum[:8])},
		"involvedObject": map[string]any{
			"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(), "namespace": p.Namespace, "name": p.Name,
			"uid": string(object.GetUID()), "resourceVersion": object.GetResourceVersion(),
		},
		"type": "Warning", "reason": p.Reason, "message": fmt.Sprintf("module %s: %s", p.Module, p.Message),
		"source": map[string]any{"component": manager}, "firstTimestamp": now, "lastTimestamp": now, "count": int64(1),
	}}
	_, err = s.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace(p.Namespace).
		Create(ctx, event, metav1.CreateOptions{FieldManager: manager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fail(err)
	}
	return nil
}
