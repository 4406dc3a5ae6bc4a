package proxy

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	netutils "k8s.io/utils/net"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
)

// parseAddress reads an address as it may stand in an object that was stored
// long ago: API servers once accepted leading zeros and IPv4-mapped forms, and
// kube-proxy reads them as decimal IPv4.
func parseAddress(text string) (netip.Addr, bool) {
	address, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(text))
	return address.Unmap(), ok
}

// isHost says whether traffic can be sent to one host by the address. The API server
// refuses others, and did not always. By one of its own the datapath shows a Pod to
// itself.
func isHost(a netip.Addr) bool {
	for _, own := range datapath.HairpinAddresses() {
		if a == own {
			return false
		}
	}
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func parsePrefix(text string) (netip.Prefix, bool) {
	_, network, err := netutils.ParseCIDRSloppy(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	address, _ := netip.AddrFromSlice(network.IP)
	bits, _ := network.Mask.Size()
	if address.Is4In6() && bits >= 96 {
		bits -= 96
	}
	return netip.PrefixFrom(address.Unmap(), bits), true
}

func parseProtocol(p corev1.Protocol) (abi.Protocol, bool) {
	switch p {
	case corev1.ProtocolTCP, "":
		return abi.TCP, true
	case corev1.ProtocolUDP:
		return abi.UDP, true
	case corev1.ProtocolSCTP:
		return abi.SCTP, true
	}
	return 0, false
}

func protocolName(p abi.Protocol) string {
	switch p {
	case abi.UDP:
		return "UDP"
	case abi.SCTP:
		return "SCTP"
	}
	return "TCP"
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}
