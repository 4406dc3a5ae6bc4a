// Command fqdn is a policy module that allows egress by DNS name. Its policies are
// objects of their own:
//
//	apiVersion: policy.sluice.dev/v1alpha1
//	kind: FQDNPolicy
//	metadata: {name: api-only, namespace: shop}
//	spec:
//	  podSelector: {matchLabels: {app: web}}
//	  egress:
//	  - names: [api.example.com, "*.storage.example.com"]
//	    ports: [{protocol: TCP, port: 443}]
//
// A policy isolates the Pods that it selects on egress, as a NetworkPolicy does,
// and is one more in the union of what NetworkPolicies allow: the way to the name
// servers must be allowed by a NetworkPolicy. A name that begins with "*." stands
// for all names that end in the rest and have one label more or several (RFC 4592,
// 2.1.1). Which addresses a name has is what name servers told Pods of this node;
// the host hands that over, and holds the Pod's answer back until the module's
// rules are in force.
//
// Each pattern is one set of addresses, however many policies name it. The module
// keeps nothing that the host does not hand it again after a reset.
package main
