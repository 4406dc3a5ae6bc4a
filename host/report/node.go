package report

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// Options of a Node. All are needed.
type Options struct {
	Client   dynamic.Interface
	NodeName string
	// Status is what is to be said now. It is asked each second, and whenever
	// Changed has an element.
	Status  func(ctx context.Context) (v1alpha1.NodeStatus, error)
	Changed <-chan struct{}
	// Nodes is how many nodes the cluster has.
	Nodes  func() int
	Logger *slog.Logger
}

// Node writes the NodePolicyStatus of this node, and removes its taint.
type Node struct {
	Options
	log     *slog.Logger
	written string // the status last written, as JSON without times
	at      time.Time
	// tainted says that the node may have the taint; it is looked at from untaintAt on.
	tainted   bool
	untaintAt time.Time
	said      string
}

// NewNode returns one that has written nothing.
func NewNode(o Options) *Node { return &Node{Options: o, log: o.Logger, tainted: true} }

const (
	lookEvery = time.Second
	// writeAnyway is how often the status is written although nothing changed:
	// somebody may have deleted it.
	writeAnyway = 30 * time.Minute
	requestTime = 10 * time.Second
	// tryAgain is how soon a write that failed is tried again.
	tryAgain = 10 * time.Second
)

// Run writes what changes until ctx ends.
func (n *Node) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var due time.Time // of a change that waits to be written
	for {
		status, err := n.Status(ctx)
		if err == nil {
			due = n.consider(ctx, status, due)
		}
		var soon <-chan time.Time
		if !due.IsZero() {
			soon = time.After(max(0, time.Until(due)))
		}
		select {
		case <-soon:
		case <-look.C:
		case <-n.Changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// consider writes the status if it is due, and returns when it will be.
func (n *Node) consider(ctx context.Context, status v1alpha1.NodeStatus, due time.Time) time.Time {
	now, text := time.Now(), plain(status)
	if ready(status) && n.tainted && now.After(n.untaintAt) {
		n.untaintAt = now.Add(tryAgain)
		if err := n.untaint(ctx); err != nil {
			n.log.Warn("Pods are kept away from this node although it is ready", "error", err)
		}
	}
	switch {
	case text == n.written && now.Sub(n.at) < writeAnyway:
		return time.Time{}
	case due.IsZero():
		due = now.Add(pace{n.Nodes()}.wait(now.Sub(n.at)))
	}
	if due.After(now) {
		return due
	}
	if err := n.write(ctx, status); err != nil {
		n.tell(err)
		return now.Add(tryAgain)
	}
	n.tell(nil)
	n.written, n.at = text, now
	return time.Time{}
}

// tell logs an error when it is a new one.
func (n *Node) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != n.said && text != "" {
		n.log.Warn("the API is not told what is in force on this node; policy is not affected", "error", text)
	}
	n.said = text
}

func ready(s v1alpha1.NodeStatus) bool {
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.Ready {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

// plain is a status without what changes by itself.
func plain(s v1alpha1.NodeStatus) string {
	s.RealisedAt = metav1.Time{}
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("report: a status can not be encoded: %v", err))
	}
	return string(text)
}

func (n *Node) statuses() dynamic.ResourceInterface {
	return n.Client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"})
}

// write makes the object be as it should, with one request unless it is not there.
func (n *Node) write(ctx context.Context, status v1alpha1.NodeStatus) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	patch, err := patchOf(status)
	if err != nil {
		return err
	}
	_, err = n.statuses().Patch(ctx, n.NodeName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
	if apierrors.IsNotFound(err) {
		err = n.create(ctx, status)
	}
	if err != nil {
		return fmt.Errorf("write NodePolicyStatus %s: %w", n.NodeName, err)
	}
	return nil
}

// patchOf is the JSON merge patch (RFC 7396) that leaves of an older status nothing but
// this one: what is omitted now is null in it.
func patchOf(status v1alpha1.NodeStatus) ([]byte, error) {
	text, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(status)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, there := fields[name]; !there {
			fields[name] = json.RawMessage("null")
		}
	}
	return json.Marshal(map[string]any{"status": fields})
}

// create makes the object, which goes with its Node.
func (n *Node) create(ctx context.Context, status v1alpha1.NodeStatus) error {
	node, err := n.Client.Resource(nodes()).Get(ctx, n.NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	object := &v1alpha1.NodePolicyStatus{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.Group + "/" + v1alpha1.Version, Kind: "NodePolicyStatus"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            n.NodeName,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.GetName(), UID: node.GetUID()}},
		},
		Status: status,
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var fields unstructured.Unstructured
	if err := json.Unmarshal(text, &fields.Object); err != nil {
		return err
	}
	_, err = n.statuses().Create(ctx, &fields, metav1.CreateOptions{FieldManager: manager})
	return err
}

func nodes() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
}

// untaint removes the taint that kept Pods away, if the node has it. The patch says
// what it starts from, so nobody else's taint is lost.
func (n *Node) untaint(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	object, err := n.Client.Resource(nodes()).Get(ctx, n.NodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look for the taint %s on Node %s: %w", v1alpha1.AgentNotReady, n.NodeName, err)
	}
	taints, _, err := unstructured.NestedSlice(object.Object, "spec", "taints")
	if err != nil {
		return err
	}
	var rest []any
	for _, t := range taints {
		if taint, ok := t.(map[string]any); !ok || taint["key"] != v1alpha1.AgentNotReady {
			rest = append(rest, t)
		}
	}
	if len(rest) == len(taints) {
		n.tainted = false
		return nil
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/spec/taints", "value": taints},
		{"op": "replace", "path": "/spec/taints", "value": append([]any{}, rest...)},
	})
	if err != nil {
		return err
	}
	if _, err := n.Client.Resource(nodes()).Patch(ctx, n.NodeName, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: manager}); err != nil {
		return fmt.Errorf("remove the taint %s from Node %s: %w", v1alpha1.AgentNotReady, n.NodeName, err)
	}
	n.tainted = false
	n.log.Info("the node takes Pods: its taint is removed", "taint", v1alpha1.AgentNotReady)
	return nil
}
