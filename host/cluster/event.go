package cluster

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
)

// Op says what an Event does.
type Op uint8

// The operations.
const (
	Put    Op = 1 // the object exists, with this content
	Delete Op = 2 // the object is gone
)

// String is "put" or "delete".
func (o Op) String() string {
	switch o {
	case Put:
		return "put"
	case Delete:
		return "delete"
	default:
		return fmt.Sprintf("Op(%d)", uint8(o))
	}
}

// The resources that every Source delivers.
const (
	Pods            = "pods"
	Namespaces      = "namespaces"
	Nodes           = "nodes"
	Services        = "services"
	EndpointSlices  = "endpointslices.discovery.k8s.io"
	NetworkPolicies = "networkpolicies.networking.k8s.io"
)

// Event says that one object came, changed or went. Nobody may write to what
// JSON and Object point to: all receivers share it.
type Event struct {
	Op Op
	// Resource is the lower-case plural, followed by a dot and the API group
	// unless the group is the core one.
	Resource  string
	Namespace string // empty for what has no namespace
	Name      string
	UID       string
	// Generation grows with every change of the object.
	Generation int64
	// JSON is the object as in the API, after defaulting, without white
	// space, without managedFields. It is nil for a Delete, and where nobody
	// has asked for the resource with Watch.
	JSON []byte
	// Object is the same as a *corev1.Pod, *corev1.Namespace, *corev1.Node,
	// *corev1.Service or *discoveryv1.EndpointSlice; nil for every other
	// resource and for a Delete. A Pod may be packed: see Pod.
	Object any
}

// Source is where objects come from.
type Source interface {
	// Run delivers to the sink until ctx ends, when it returns nil. An error
	// says why it could not start, or cannot go on.
	Run(ctx context.Context, sink Sink) error
	// Pod is the Pod as last read, a copy that the caller owns. It waits for
	// the first complete list. If there is no such Pod, the error satisfies
	// apierrors.IsNotFound and says what to do.
	Pod(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	// Watch makes the source deliver resources besides those that it always
	// does, for as long as the owner, a module for instance, asks for them. It
	// waits for the first complete list and returns when their objects were
	// applied. An error that is not that of ctx says what keeps them away; the
	// source goes on trying. Resources asked for earlier are not taken back.
	Watch(ctx context.Context, owner string, resources []string) error
	// Unwatch takes back what the owner has asked for, except these resources.
	Unwatch(owner string, except []string)
}

// Sink takes what a Source delivers. The Source calls it from one goroutine,
// one call at a time, and waits for each to return.
type Sink interface {
	// Apply takes one coherent batch: no half of it is a state that anybody
	// wrote. Deletes come before puts, Namespaces and Nodes are put before
	// Pods, and Pods before everything else.
	Apply(events []Event)
	// Synced is called once, after the first complete list was applied.
	Synced()
	// Problems takes everything that can not be read or was refused, as a
	// whole list each time that the list changes.
	Problems(problems []Problem)
	// Revision names what was read, after everything of it was applied. It is
	// called each time that it changes, before Synced the first time.
	Revision(revision string)
}

// Problem is one thing that is not in force as written.
type Problem struct {
	// File is the path as the person named it, or below what they named; of
	// objects of the Kubernetes API, the server's address.
	File string `json:"file"`
	// Document counts the documents of the file from 1, those that are empty
	// or hold comments only not counted; 0 means the file as a whole.
	Document int `json:"document,omitempty"`
	// Object is the kind and the name, for instance "NetworkPolicy shop/web",
	// or a resource; empty where not even that could be read.
	Object string `json:"object,omitempty"`
	// Field is the path of the field, for instance
	// "spec.ingress[0].ports[1].endPort"; empty where it is about no field.
	Field string `json:"field,omitempty"`
	// Reason says what is wrong and what to do.
	Reason string `json:"reason"`
	// NotServed says that nothing was refused: somebody asks for the resource in
	// Object, and the API server does not have it.
	NotServed bool `json:"notServed,omitempty"`
}

// String is the problem in one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Document > 0 {
		fmt.Fprintf(&b, ", document %d", p.Document)
	}
	for _, part := range []string{p.Object, p.Field, p.Reason} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	return b.String()
}

// What is longer than this in a problem is cut: it quotes from the file.
const maxProblemText = 1024

// tidy makes one line of what may quote anything that stands in a file.
func (p *Problem) tidy() {
	for _, text := range []*string{&p.File, &p.Object, &p.Field, &p.Reason} {
		*text = strings.ToValidUTF8(*text, "\ufffd")
		*text = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, *text)
		if cut := *text; len(cut) > maxProblemText {
			half := maxProblemText / 2
			*text = strings.ToValidUTF8(cut[:half], "") + " [...] " + strings.ToValidUTF8(cut[len(cut)-half:], "")
		}
	}
}
