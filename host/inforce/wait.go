package inforce

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// State says how far a policy is on a node.
type State string

// The states.
const (
	InForce State = "InForce"
	Behind  State = "Behind"  // the agent has not said so yet
	Refused State = "Refused" // something of it is not in force as written
	Silent  State = "Silent"  // no agent has ever spoken for the node
)

// Node is one node that a policy concerns.
type Node struct {
	Name  string `json:"name"`
	Pods  int    `json:"pods"` // that the policy selects
	State State  `json:"state"`
	// Reason of a State that is not InForce, and what to do.
	Reason string `json:"reason,omitempty"`
}

// Result is how far a policy is.
type Result struct {
	Policy          string `json:"policy"`
	ResourceVersion string `json:"resourceVersion"`
	Nodes           []Node `json:"nodes"` // that it concerns, by name
	// Deleted says that this is about the end of the policy.
	Deleted bool `json:"deleted,omitempty"`
}

// InForce says that every node has it as it is written.
func (r Result) InForce() bool { return len(r.Missing()) == 0 }

// Missing are the nodes that do not.
func (r Result) Missing() []Node {
	var missing []Node
	for _, n := range r.Nodes {
		if n.State != InForce {
			missing = append(missing, n)
		}
	}
	return missing
}

// settled says that waiting longer changes nothing: every node has handled it.
func (r Result) settled() bool {
	for _, n := range r.Nodes {
		if n.State == Behind || n.State == Silent {
			return false
		}
	}
	return true
}

// lookEvery is how often the API is asked.
const lookEvery = 500 * time.Millisecond

// Wait looks until every node that the policy concerns has handled the version that
// was there when it was called, or a later one. It tells each look, unless tell is
// nil. The end of ctx is no error: the last look says who is missing.
func Wait(ctx context.Context, client dynamic.Interface, p Policy, tell func(Result)) (Result, error) {
	object, err := p.get(ctx, client)
	if err != nil {
		return Result{}, fmt.Errorf("read %v: %w", p, err)
	}
	s, err := subjectOf(p, object)
	if err != nil {
		return Result{}, err
	}
	last := Result{Policy: p.String(), ResourceVersion: object.GetResourceVersion()}
	looked := false
	for {
		now, err := look(ctx, client, p, s, last.ResourceVersion)
		switch {
		case err == nil:
			last, looked = now, true
			if tell != nil {
				tell(now)
			}
			if now.settled() {
				return now, nil
			}
		case ctx.Err() == nil:
			return last, err
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			if !looked {
				return last, errors.New("the API server did not answer in time")
			}
			return last, nil
		}
	}
}

// look asks once.
func look(ctx context.Context, client dynamic.Interface, p Policy, s subject, version string) (Result, error) {
	nodes, err := s.nodes(ctx, client, p)
	if err != nil {
		return Result{}, err
	}
	r := Result{Policy: p.String(), ResourceVersion: version, Nodes: []Node{}}
	for _, name := range sorted(nodes) {
		n := Node{Name: name, Pods: nodes[name]}
		status, err := statusOf(ctx, client, name)
		switch {
		case apierrors.IsNotFound(err):
			n.State, n.Reason = Silent, "there is no NodePolicyStatus: no agent of Sluice has run on the node, or it may not write"
		case err != nil:
			return Result{}, err
		default:
			n.State, n.Reason = judge(p, &status.Status, version)
		}
		r.Nodes = append(r.Nodes, n)
	}
	return r, nil
}

func statusOf(ctx context.Context, client dynamic.Interface, node string) (*v1alpha1.NodePolicyStatus, error) {
	o, err := client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"}).
		Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	s := &v1alpha1.NodePolicyStatus{}
	return s, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, s)
}

// judge says how far a node is with a version of a policy.
func judge(p Policy, s *v1alpha1.NodeStatus, version string) (State, string) {
	resource := p.resource().GroupResource().String()
	realised := ""
	for _, r := range s.Realised {
		if r.Resource == resource {
			realised = r.ResourceVersion
		}
	}
	order, err := resourceversion.CompareResourceVersion(realised, version)
	if realised == "" || err != nil || order < 0 {
		return Behind, whyBehind(s, resource, realised)
	}
	object := resource + " " + p.String()[len(p.Kind)+1:]
	for _, refusal := range s.Refused {
		if refusal.Object == object {
			return Refused, fmt.Sprintf("module %s: %s", refusal.Module, refusal.Reason)
		}
	}
	return InForce, ""
}

// whyBehind is what the node itself says of it.
func whyBehind(s *v1alpha1.NodeStatus, resource, realised string) string {
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.Ready && c.Status != metav1.ConditionTrue {
			return c.Message
		}
	}
	for _, m := range s.Modules {
		if m.LastError != "" {
			return m.LastError
		}
	}
	if realised == "" {
		return "no module on the node handles " + resource + ": see `kubectl get policymodules`"
	}
	return fmt.Sprintf("the node has handled %s up to resourceVersion %s: its agent is busy, or does not run", resource, realised)
}
