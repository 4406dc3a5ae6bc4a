package nettest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/ovstest"
)

// Node is a bridge of Open vSwitch with Pods behind veth pairs, and the node's
// own network namespace behind the bridge's gateway port. That namespace also
// stands for everything outside. The bridge has no flows.
type Node struct {
	OVS       *ovstest.Instance
	NetNS     string        // the node's
	Addresses [2]netip.Addr // of the gateway port, IPv4 and IPv6
	Pods      []Pod

	t testing.TB
}

// Pod is one veth pair: eth0 in a namespace of its own, and a port of the bridge.
type Pod struct {
	NetNS     string
	MAC       net.HardwareAddr
	OFPort    uint32
	Addresses [2]netip.Addr // IPv4 and IPv6
}

// The bridge of a Node and its gateway port.
const (
	Bridge        = "br0"
	Gateway       = "gw0"
	GatewayOFPort = 1
)

// NewNode makes a node with pods Pods. Their addresses are 10.0.0.1 and fd00::1
// and those that follow; their port numbers begin at 11.
func NewNode(t testing.TB, pods int) *Node {
	t.Helper()
	n := &Node{t: t, NetNS: WithoutDAD(t, Namespace(t, "slnode"))}
	n.Addresses = [2]netip.Addr{netip.MustParseAddr("10.0.255.1"), netip.MustParseAddr("fd00:ff::1")}
	n.OVS = ovstest.Start(t, ovstest.Options{NetNS: n.NetNS, Datapath: ovstest.Datapath()})
	n.OVS.AddBridge(Bridge)
	n.OVS.AddInternalPort(Bridge, Gateway, GatewayOFPort)
	Run(t, "ip", "-n", n.NetNS, "link", "set", Gateway, "up")
	for _, a := range n.Addresses {
		Run(t, "ip", "-n", n.NetNS, "addr", "add", Single(a), "dev", Gateway)
	}
	Enter(t, n.NetNS, "nft", "add table netdev node")
	for i := range pods {
		n.Pods = append(n.Pods, n.wire(i))
	}
	for _, p := range n.Pods {
		Await(t, 20*time.Second, "end of duplicate address detection", func() bool {
			return Run(t, "ip", "-6", "-n", p.NetNS, "addr", "show", "tentative") == ""
		})
	}
	return n
}

// GatewayMAC is that of the gateway port.
func (n *Node) GatewayMAC() net.HardwareAddr { return MAC(n.t, n.NetNS, Gateway) }

// wire makes a Pod. The userspace datapath reads copies of its frames: the
// kernel drops the originals, and checksums are the Pod's to make.
func (n *Node) wire(i int) Pod {
	t := n.t
	t.Helper()
	p := Pod{
		NetNS: WithoutDAD(t, Namespace(t, "slpod")), OFPort: uint32(11 + i),
		Addresses: [2]netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), netip.AddrFrom16([16]byte{0xfd, 15: byte(i + 1)})},
	}
	veth := fmt.Sprintf("veth%d", i)
	Run(t, "ip", "link", "add", "eth0", "netns", p.NetNS, "type", "veth", "peer", "name", veth, "netns", n.NetNS)
	Run(t, "ip", "-n", n.NetNS, "link", "set", veth, "up")
	Run(t, "ip", "-n", p.NetNS, "link", "set", "eth0", "up")
	if ovstest.Datapath() == "netdev" {
		Enter(t, p.NetNS, "ethtool", "-K", "eth0", "tx", "off")
		Enter(t, n.NetNS, "nft", fmt.Sprintf(`add chain netdev node %s { type filter hook ingress device "%s" priority 0; policy drop; }`, veth, veth))
	}
	n.OVS.Run("ovs-vsctl", "add-port", Bridge, veth, "--", "set", "interface", veth, fmt.Sprintf("ofport_request=%d", p.OFPort))
	p.MAC = MAC(t, p.NetNS, "eth0")
	for f, gateway := range n.Addresses {
		own := p.Addresses[f]
		Run(t, "ip", "-n", p.NetNS, "addr", "add", Single(own), "dev", "eth0")
		Run(t, "ip", "-n", p.NetNS, "route", "add", Single(gateway), "dev", "eth0")
		Run(t, "ip", family(own), "-n", p.NetNS, "route", "add", "default", "via", gateway.String(), "dev", "eth0", "onlink")
		Run(t, "ip", "-n", p.NetNS, "neigh", "replace", gateway.String(), "lladdr", n.GatewayMAC().String(), "dev", "eth0", "nud", "permanent")
		Run(t, "ip", "-n", n.NetNS, "route", "add", Single(own), "dev", Gateway, "src", gateway.String())
		Run(t, "ip", "-n", n.NetNS, "neigh", "replace", own.String(), "lladdr", p.MAC.String(), "dev", Gateway, "nud", "permanent")
	}
	return p
}

// Single is the prefix of one address.
func Single(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

func family(a netip.Addr) string {
	if a.Is6() {
		return "-6"
	}
	return "-4"
}
