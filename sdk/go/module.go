package sluice

import "github.com/sluice-net/sluice/abi"

// Module is policy logic. The host calls it for one event at a time, and what it
// does with its Tx takes effect at the end of the batch. A module may also have
// the methods of Ticker and Finisher.
type Module interface {
	// Reset forgets everything. What follows, in the same batch, is the whole
	// state. Declarations have been forgotten already.
	Reset()

	// Configure takes the operator's configuration: JSON that the module's
	// configSchema has accepted, or nothing if there is none. It comes first after
	// a reset, and again whenever the configuration changes.
	Configure(tx *Tx, json []byte) error

	// Put takes an object that is new or has changed.
	Put(tx *Tx, o Object) error

	// Delete takes an object that is gone; it has no Generation and no JSON.
	Delete(tx *Tx, o Object) error
}

// Ticker is a Module that wants the clock.
type Ticker interface {
	// Tick takes the wall clock, in nanoseconds since 1970-01-01 UTC.
	Tick(tx *Tx, unixNanos int64) error
}

// Finisher is a Module that answers once for a batch rather than once for an
// object: for modules whose requests depend on many objects at a time.
type Finisher interface {
	// Finish is called after the last event of a batch.
	Finish(tx *Tx) error
}

// Object is an object of the cluster, as in the Kubernetes API.
type Object struct {
	Resource   string // "networkpolicies.networking.k8s.io", "pods"
	Namespace  string // empty for objects that belong to no namespace
	Name       string
	UID        string
	Generation int64
	JSON       []byte // valid until the method returns: it is read in place
}

// ID names the object among all: "resource/namespace/name". It suits Tx.Declare
// as an owner and as the beginning of names of sets and rules (mind abi.MaxName).
func (o Object) ID() string { return o.Resource + "/" + o.Namespace + "/" + o.Name }

// Origin says that a request comes from this place in the object; rule is for
// instance "ingress[2]", or empty for the object as a whole.
func (o Object) Origin(rule string) abi.Origin {
	return abi.Origin{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name, Rule: rule}
}
