// Package translate turns one ClusterNetworkPolicy (policy.networking.k8s.io,
// v1alpha2) into the flow requests that say the same: the sets it names, and a
// rule for each of its rules, in the Admin or the Baseline tier. It isolates
// nobody: what no rule decides goes on to the next tier.
//
// It promises that the answer depends on nothing but the object and that what the
// CustomResourceDefinition admits is never refused for its form. A peer or a
// protocol that it does not know fails closed, as the API demands: an Accept rule
// then matches nothing, a Deny or Pass rule denies everything, and the author is
// told. Whatever else is wrong is refused whole, with the path of the field.
package translate
