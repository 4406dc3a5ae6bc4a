package datapath

import (
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// ServicePort is one port of a Service in one address family: where local Pods
// reach it, and who answers.
type ServicePort struct {
	// Name is unique and the same after a restart, as the numbers of the port's
	// group and flows come from it: "shop/web:http/TCP/IPv4".
	Name     string
	Protocol abi.Protocol // TCP, UDP or SCTP
	// Frontends are the ClusterIP, external IPs and load balancer IPs that share
	// these backends. No other ServicePort has the same address, protocol and port.
	Frontends []Frontend
	Backends  []netip.AddrPort // in a stable order; none: see WhenEmpty
	// Affinity is how long a client that has been idle comes back to the same
	// backend (sessionAffinity ClientIP); 0: no affinity.
	Affinity  time.Duration
	WhenEmpty EmptyAction
}

// Frontend is an address and port at which a ServicePort is reached.
type Frontend struct {
	Address netip.AddrPort
	// Sources are who may use it (loadBalancerSourceRanges), nil: anybody. What
	// others send there is dropped.
	Sources []netip.Prefix
}

// EmptyAction is what becomes of packets to a ServicePort without backends.
type EmptyAction uint8

// The values of EmptyAction.
const (
	// RefuseWhenEmpty: the Service has no endpoints at all; who asks is told at
	// once (TCP reset, ICMP port unreachable).
	RefuseWhenEmpty EmptyAction = iota
	// DropWhenEmpty: there are endpoints, but none that may be used from here
	// (traffic policy Local).
	DropWhenEmpty
)
