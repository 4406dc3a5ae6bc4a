package lab

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The address plan (see Plan). Every lab uses the same addresses: they are
// never seen outside its namespaces.
var (
	transitV4  = netip.MustParsePrefix("192.168.100.1/24") // the router's address on it
	transitV6  = netip.MustParsePrefix("fd00:192:168:100::1/64")
	outsideV4  = netip.MustParsePrefix("203.0.113.1/24") // TEST-NET-3, RFC 5737
	outsideV6  = netip.MustParsePrefix("2001:db8:113::1/64")
	externalV4 = netip.MustParsePrefix("203.0.113.10/24")
	externalV6 = netip.MustParsePrefix("2001:db8:113::10/64")
)

func nodeAddress(transit netip.Prefix, n int) netip.Addr {
	bytes := transit.Addr().AsSlice()
	bytes[len(bytes)-1] = byte(n + 2)
	address, _ := netip.AddrFromSlice(bytes)
	return address
}

func podSubnetV4(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(n), 0}), 24)
}

func podSubnetV6(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0, 0, 0x10, 0, 1, 0, byte(n)}), 64)
}

// allot gives every Pod its addresses: first those that the manifests name,
// then, around them, the others.
func (p *Plan) allot(pods []*corev1.Pod) error {
	owner := make(map[netip.Addr]string)
	for i := range p.Pods {
		pod := &p.Pods[i]
		if pod.HostNetwork {
			node, _ := p.Node(pod.Node)
			pod.Addresses = node.Addresses
			continue
		}
		pod.Addresses = p.given(pods[i])
		for _, address := range pod.Addresses {
			if other, taken := owner[address]; taken {
				return fmt.Errorf("pods %s and %s both claim %s in status.podIPs", other, pod.Key(), address)
			}
			owner[address] = pod.Key()
		}
	}
	for i := range p.Pods {
		pod := &p.Pods[i]
		if len(pod.Addresses) > 0 {
			continue
		}
		node, _ := p.Node(pod.Node)
		for _, subnet := range node.PodSubnets {
			address, ok := freeAddress(subnet, owner)
			if !ok {
				return fmt.Errorf("pod %s: no address is left in %s of node %s", pod.Key(), subnet, pod.Node)
			}
			owner[address] = pod.Key()
			pod.Addresses = append(pod.Addresses, address)
		}
	}
	return nil
}

// freeAddress is the first one after the gateway's that nobody has. It looks at
// the first 253 only: that is what a /24 holds, and families stay in step.
func freeAddress(subnet netip.Prefix, owner map[netip.Addr]string) (netip.Addr, bool) {
	address := subnet.Masked().Addr().Next()
	for range 253 {
		address = address.Next()
		if _, taken := owner[address]; !taken {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// given reads status.podIPs (or podIP) as far as a Pod in the lab can have
// these addresses: at most one of each family, each a plain unicast address
// that is not part of the lab's own networks.
func (p *Plan) given(pod *corev1.Pod) []netip.Addr {
	texts := make([]string, 0, 2)
	for _, ip := range pod.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	if len(texts) == 0 && pod.Status.PodIP != "" {
		texts = append(texts, pod.Status.PodIP)
	}
	var addresses []netip.Addr
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err == nil {
			err = p.usable(address)
		}
		if err == nil && slices.ContainsFunc(addresses, func(a netip.Addr) bool { return a.Is4() == address.Is4() }) {
			err = fmt.Errorf("%s is a second address of the same family", address)
		}
		if err != nil {
			p.note("pod %s: status.podIPs is not honoured, the Pod gets addresses of the lab's own: %v", podKey(pod), err)
			return nil
		}
		addresses = append(addresses, address)
	}
	slices.SortFunc(addresses, netip.Addr.Compare) // IPv4 sorts before IPv6
	return addresses
}

func (p *Plan) usable(address netip.Addr) error {
	if !address.IsGlobalUnicast() || address.Is4In6() || address.Zone() != "" {
		return fmt.Errorf("%s is not a unicast address that a Pod can have", address)
	}
	for _, own := range []netip.Prefix{transitV4, transitV6, outsideV4, outsideV6} {
		if own.Contains(address) {
			return fmt.Errorf("%s lies in %s, which the lab itself uses", address, own.Masked())
		}
	}
	for _, node := range p.Nodes {
		for _, subnet := range node.PodSubnets {
			if address == gatewayOf(subnet) {
				return fmt.Errorf("%s is the gateway of node %s", address, node.Name)
			}
		}
	}
	// host-local hands out neither the first nor the last address of an IPv4
	// subnet, nor the first of an IPv6 one.
	subnet := subnetAround(address)
	if address == subnet.Addr() || address.Is4() && address.As4()[3] == 255 {
		return fmt.Errorf("%s is the network's own or its broadcast address in %s", address, subnet)
	}
	return nil
}

func gatewayOf(subnet netip.Prefix) netip.Addr { return subnet.Masked().Addr().Next() }

// subnetAround is the network in which a Pod with this address is wired: the
// /24 or the /64 around it.
func subnetAround(address netip.Addr) netip.Prefix {
	bits := 64
	if address.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(address, bits).Masked()
}

// gatewayFor chooses the gateway of the network in which a Pod with this
// address is wired. It is the network's first address, unless the manifests
// gave that to a Pod.
func (p *Plan) gatewayFor(address netip.Addr) netip.Addr {
	subnet := subnetAround(address)
	gateway := gatewayOf(subnet)
	for range 253 {
		if !slices.ContainsFunc(p.Pods, func(pod PodPlan) bool { return slices.Contains(pod.Addresses, gateway) }) {
			return gateway
		}
		gateway = gateway.Next()
	}
	return gateway
}
