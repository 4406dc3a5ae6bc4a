package primary

import (
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/host/hostnet"
)

// Profile is a kind of primary CNI plugin.
type Profile struct {
	Name string
	// Plugins are the types, in a CNI configuration, of which one names the profile.
	Plugins []string
	// Device is how the names of the node's ends of Pods begin; empty: they may be anything.
	Device string
	// ProxyARP: the node's ends answer for every address.
	ProxyARP bool
	// RuleToPod is the priority of the rule "to the Pod: table main" that each Pod has; 0 if Pods have none.
	RuleToPod int
	// Routers are the Pod's next hops, IPv4 and IPv6, that no device has; the Pod knows their hardware address beforehand. The
	// zero Addr: an address of the node's end.
	Routers [2]netip.Addr
	// Mirrored are chains with rules that match Pods' devices by name. They must hold for the gateway too.
	Mirrored []hostnet.RuleSource
}

// The names of the profiles.
const (
	PTP              = "ptp"
	EKS              = "eks"
	AzureTransparent = "azure-transparent"
)

// Profiles are all that is known, the most particular first. The last is what a node has that shows no sign of another: any
// plugin with a routed veth for each Pod. The facts are those of:
//
//   - amazon-vpc-cni-k8s: docs/cni-proposal.md, cmd/routed-eni-cni-plugin/driver/driver.go (devices, routes, rules,
//     neighbours), pkg/networkutils/network.go, iptables_connmark.go and nftables_connmark.go (marks)
//   - azure-container-networking: network/transparent_endpointclient_linux.go, cni/azure-linux.conflist
//   - containernetworking/plugins: plugins/main/ptp
func Profiles() []Profile {
	return []Profile{
		{
			Name: EKS, Plugins: []string{"aws-cni"}, Device: "eni", RuleToPod: 512,
			Routers: [2]netip.Addr{netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("fe80::1")},
			Mirrored: []hostnet.RuleSource{
				{Table: "mangle", Chain: "PREROUTING", Comment: "AWS"},
				{Table: "nat", Chain: "PREROUTING", Comment: "AWS"},
				{Table: "aws-cni", Chain: "nat-prerouting"},
			},
		},
		{
			Name: AzureTransparent, Plugins: []string{"azure-vnet"}, Device: "azv", ProxyARP: true,
			Routers: [2]netip.Addr{netip.MustParseAddr("169.254.1.1"), netip.MustParseAddr("fe80::1234:5678:9abc")},
		},
		{Name: PTP, Plugins: []string{"ptp"}},
	}
}

// Names of all profiles.
func Names() []string {
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// Named finds a profile.
func Named(name string) (Profile, bool) {
	all := Profiles()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}
