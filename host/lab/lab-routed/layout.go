package main

import (
	"crypto/sha1"
	"encoding/hex"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// layout is how a cloud's plugin wires a Pod.
type layout struct {
	prefix string           // of the name of the node's end
	mac    net.HardwareAddr // of the node's end; nil: any
	// hostBits: the Pod's address has a mask of all ones. Without, it has the mask of its subnet, whose route in the Pod is
	// taken away again.
	hostBits bool
	routers  [2]netip.Addr // IPv4, IPv6: the Pod's next hop, which nobody has
	// neighbour is the state in which the Pod knows its next hop at the address of the node's end.
	neighbour [2]int
	toRule    int // priority of the rule "to the Pod: main"; 0: none
	fromRule  int // priority of the rule "from the Pod: its interface's table"
	sysctls   map[string]string
	anonymous bool // the result names neither sandbox nor interface of an address
}

// layouts are taken from what the plugins do:
//
//   - eks: amazon-vpc-cni-k8s, cmd/routed-eni-cni-plugin/driver/driver.go and docs/cni-proposal.md
//   - azure-transparent: azure-container-networking, network/transparent_endpointclient_linux.go
func layouts() map[string]layout {
	return map[string]layout{
		"eks": {
			prefix: "eni", hostBits: true,
			routers:   [2]netip.Addr{netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("fe80::1")},
			neighbour: [2]int{netlink.NUD_PERMANENT, netlink.NUD_PERMANENT},
			toRule:    512, fromRule: 1536,
			sysctls: map[string]string{"ipv6/conf/%s/accept_ra": "0", "ipv6/conf/%s/accept_redirects": "1", "ipv6/conf/%s/forwarding": "0"},
		},
		"azure-transparent": {
			prefix: "azv", mac: net.HardwareAddr{0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa},
			routers:   [2]netip.Addr{netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("fe80::1234:5678:9abc")},
			neighbour: [2]int{netlink.NUD_PROBE, netlink.NUD_PERMANENT},
			sysctls:   map[string]string{"ipv6/conf/%s/accept_ra": "0", "ipv4/conf/%s/proxy_arp": "1"},
			anonymous: true,
		},
	}
}

// vethName is the name of the node's end: both plugins take eleven digits of a hash of the Pod's name.
func (l layout) vethName(namespace, name string) string {
	sum := sha1.Sum([]byte(namespace + "." + name))
	return l.prefix + hex.EncodeToString(sum[:])[:11]
}
