// Package proxy knows what a Service is: where local Pods reach it, and who
// answers.
//
// A Model takes Services, EndpointSlices and Nodes as events, and says which
// datapath.ServicePorts came, changed or went. What it decides is what
// kube-proxy decides for a connection that a Pod of the same node opens
// (k8s.io/kubernetes/pkg/proxy, v1.37): tests/kubeproxy holds the two against
// each other.
//
// It promises:
//
//   - the outcome depends on the objects alone and not on the order in which
//     they came, so that a restart finds the switch as it should be;
//   - a change of one EndpointSlice costs what its Service costs, however many
//     others there are;
//   - what is wrong in an object is a Problem that names object, field and
//     remedy, and takes nothing else down: of two that claim one address, one
//     is served, and always the same.
//
// It leaves alone, and so to whoever else balances traffic on the node: Services
// with the label service-proxy-name, headless ones and ExternalName, node ports,
// load balancer addresses of ipMode Proxy.
//
// It never judges a packet, knows no flow, and asks nobody anything. A Model
// belongs to one goroutine. When it dies, what it said last stays in force; a new
// one says the same again.
package proxy
