package services

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/tests/nettest"
)

// nodePort is one that kube-proxy listens on at the node's own addresses.
const nodePort = 30080

// kubeProxy plays kube-proxy on the node: it translates what is sent to the Service,
// and to a port of the node, to the Pod with this number. (Rules as those of
// kube-proxy's nftables mode, in the same hooks.)
func (r *rig) kubeProxy(protocol string, pod int) {
	r.t.Helper()
	nettest.Enter(r.t, r.NetNS, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	nft := func(format string, args ...any) {
		nettest.Enter(r.t, r.NetNS, "nft", fmt.Sprintf(format, args...))
	}
	nft("add table inet proxy")
	nft("flush table inet proxy")
	for chain, hook := range map[string]string{"nat-prerouting": "prerouting", "nat-output": "output"} {
		nft("add chain inet proxy %s { type nat hook %s priority -100 ; }", chain, hook)
		for i, family := range []string{"ip", "ip6"} {
			to := netip.AddrPortFrom(r.Pods[pod].Addresses[i], 8080)
			nft("add rule inet proxy %s %s daddr %s %s dport 80 dnat %s to %s", chain, family, vips[i], protocol, family, to)
			nft("add rule inet proxy %s %s daddr %s %s dport %d dnat %s to %s", chain, family, r.Addresses[i], protocol, nodePort, family, to)
		}
	}
}

// Ports of the node, and what the node and others outside send to a Service, are
// kube-proxy's: it has another endpoint in mind than the bridge, and gets its way.
func TestWhatIsKubeProxys(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	outside := r.outside()
	each(t, func(t *testing.T, family int, network string) {
		r.put(r.service(protocols[network], family, 2))
		r.kubeProxy(network, 1)
		service, port := netip.AddrPortFrom(vips[family], 80), netip.AddrPortFrom(r.Addresses[family], nodePort)
		for _, test := range []struct {
			what string
			ns   string
			to   netip.AddrPort
			by   string
			as   netip.Addr // whom the endpoint sees
		}{
			{"a Pod to the Service", r.Pods[0].NetNS, service, "p2", r.Pods[0].Addresses[family]},
			{"a Pod to a port of the node", r.Pods[0].NetNS, port, "p1", r.Pods[0].Addresses[family]},
			{"the node to the Service", r.NetNS, service, "p1", r.Addresses[family]},
			{"the node to its port", r.NetNS, port, "p1", r.Addresses[family]},
			{"somebody outside to the Service", outside, service, "p1", outsideAddrs[family]},
			{"somebody outside to a port of the node", outside, port, "p1", outsideAddrs[family]},
		} {
			c, err := r.dialFrom(test.ns, network, test.to)
			if err != nil {
				t.Errorf("%s: %v", test.what, err)
				continue
			}
			for range 3 { // more than one packet each way
				if who, saw, err := c.ask(100); err != nil || who != test.by || saw != test.as {
					t.Errorf("%s: answered by %q, who saw %s, %v; want %s and %s", test.what, who, saw, err, test.by, test.as)
				}
			}
		}
	})
}

// A backend may be the node itself, as those on the host network are, or somebody
// outside the cluster.
func TestABackendThatIsNoPod(t *testing.T) {
	r := newRig(t, 1)
	outside := r.outside()
	nettest.Enter(r.t, r.NetNS, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	r.serve(r.NetNS, "node", 8080)
	r.serve(outside, "outside", 8080)
	each(t, func(t *testing.T, family int, network string) {
		for who, at := range map[string]netip.Addr{"node": r.Addresses[family], "outside": outsideAddrs[family]} {
			s := r.service(protocols[network], family)
			s.Backends = []netip.AddrPort{netip.AddrPortFrom(at, 8080)}
			r.put(s)
			c, err := r.dial(0, network, s.Frontends[0].Address)
			if err != nil {
				t.Errorf("%s: %v", who, err)
				continue
			}
			for range 3 {
				if by, saw, err := c.ask(100); err != nil || by != who || saw != r.Pods[0].Addresses[family] {
					t.Errorf("answered by %q, who saw %s, %v; want %s and %s", by, saw, err, who, r.Pods[0].Addresses[family])
				}
			}
		}
	})
}

var outsideAddrs = [2]netip.Addr{netip.MustParseAddr("172.31.0.2"), netip.MustParseAddr("fd31::2")}

// outside is a host behind the node.
func (r *rig) outside() (ns string) {
	r.t.Helper()
	ns = nettest.WithoutDAD(r.t, nettest.Namespace(r.t, "slout"))
	nettest.Run(r.t, "ip", "link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", "uplink", "netns", r.NetNS)
	for i, prefix := range []int{30, 64} {
		near := outsideAddrs[i].Prev()
		nettest.Run(r.t, "ip", "-n", r.NetNS, "addr", "add", netip.PrefixFrom(near, prefix).String(), "dev", "uplink")
		nettest.Run(r.t, "ip", "-n", ns, "addr", "add", netip.PrefixFrom(outsideAddrs[i], prefix).String(), "dev", "eth0")
	}
	nettest.Run(r.t, "ip", "-n", r.NetNS, "link", "set", "uplink", "up")
	nettest.Run(r.t, "ip", "-n", ns, "link", "set", "eth0", "up")
	for i, family := range []string{"-4", "-6"} {
		nettest.Run(r.t, "ip", family, "-n", ns, "route", "add", "default", "via", outsideAddrs[i].Prev().String())
		// The node routes before it translates: it needs some way to the Service.
		nettest.Run(r.t, "ip", family, "-n", r.NetNS, "route", "add", "default", "via", outsideAddrs[i].String(), "src", r.Addresses[i].String())
	}
	return ns
}
