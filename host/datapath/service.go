package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// MaxAffinity is the longest time-out that the switch can keep: a flow's idle
// time-out has 16 bits. A longer one, which Kubernetes allows up to a day, is cut
// to this.
const MaxAffinity = 65535 * time.Second

// maxBackends bounds the backends of one ServicePort.
const maxBackends = 20_000

func (p *ServicePort) v6() bool { return p.Frontends[0].Address.Addr().Is6() }

// check says what is wrong with a ServicePort, naming its field.
func (p *ServicePort) check() error {
	if p.Name == "" {
		return errors.New("a Service port without a name: give it one that is unique and the same after a restart")
	}
	wrong := func(field, format string, args ...any) error {
		return fmt.Errorf("port %q of a Service: %s: %s", p.Name, field, fmt.Sprintf(format, args...))
	}
	switch p.Protocol {
	case abi.TCP, abi.UDP, abi.SCTP:
	default:
		return wrong("protocol", "%d has no ports to balance; it must be TCP, UDP or SCTP", p.Protocol)
	}
	if len(p.Frontends) == 0 {
		return wrong("frontends", "there is none; a port that is reached nowhere needs no ServicePort")
	}
	if len(p.Backends) > maxBackends {
		return wrong("backends", "%d, the limit is %d; use topology hints or more Services", len(p.Backends), maxBackends)
	}
	if p.Affinity < 0 {
		return wrong("affinity", "%s is negative", p.Affinity)
	}
	v4 := !p.v6()
	seen := map[netip.AddrPort]struct{}{}
	for _, f := range p.Frontends {
		if err := checkEnd(f.Address, v4, seen); err != nil {
			return wrong("frontends", "%s", err)
		}
		if self := HairpinAddresses(); slices.Contains(self[:], f.Address.Addr()) {
			return wrong("frontends", "%s is the address by which a Pod sees itself as a client", f.Address)
		}
		for _, s := range f.Sources {
			if !s.IsValid() || s.Addr().Is4() != v4 {
				return wrong("sources", "%s is no range of the address family of %s", s, f.Address)
			}
		}
	}
	clear(seen)
	for _, b := range p.Backends {
		if err := checkEnd(b, v4, seen); err != nil {
			return wrong("backends", "%s", err)
		}
	}
	return nil
}

func checkEnd(a netip.AddrPort, v4 bool, seen map[netip.AddrPort]struct{}) error {
	_, twice := seen[a]
	seen[a] = struct{}{}
	switch addr := a.Addr(); {
	case !addr.IsValid() || addr.Is4In6() || addr.Zone() != "":
		return fmt.Errorf("%s is no plain IPv4 or IPv6 address", a)
	case addr.Is4() != v4:
		return fmt.Errorf("%s is of another address family than the first frontend", a)
	case addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback():
		return fmt.Errorf("%s is not the address of one host", a)
	case a.Port() == 0:
		return fmt.Errorf("%s has port 0", a)
	case twice:
		return fmt.Errorf("%s is listed twice", a)
	}
	return nil
}
