// Command lab-routed is the primary CNI plugin of labs whose nodes look like those of a cloud. It wires a Pod as the cloud's
// own plugin does: the same names, addresses, routes, neighbours and rules, on the node and in the Pod. What it does not do
// is what only the cloud can: addresses come from an IPAM plugin.
//
// Its configuration:
//
//	{"type": "lab-routed", "layout": "eks", "mtu": 1500, "table": 2, "ipam": {"type": "host-local", …}}
//
// "layout" is eks or azure-transparent (layout.go). "table", for eks only, is the routing table of the interface to which the
// Pod's IPv4 address belongs; without it that is the node's first interface, and the main table.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
	"github.com/containernetworking/plugins/pkg/ipam"
)

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: del, Check: check}, version.VersionsStartingFrom("0.3.0"),
		"lab-routed: wires Pods of a lab as the plugins of clouds do")
}

type config struct {
	types.NetConf
	Layout string `json:"layout"`
	MTU    int    `json:"mtu"`
	Table  int    `json:"table"`
}

// podArgs are the keys of CNI_ARGS from which names are made.
type podArgs struct {
	types.CommonArgs
	K8S_POD_NAMESPACE, K8S_POD_NAME types.UnmarshallableString //nolint:revive,staticcheck // the names are the keys
}

// read gives the configuration, the layout, and the name of the node's end.
func read(args *skel.CmdArgs) (c config, l layout, veth string, err error) {
	if err := json.Unmarshal(args.StdinData, &c); err != nil {
		return c, l, "", types.NewError(types.ErrDecodingFailure, "the configuration of lab-routed cannot be read", err.Error())
	}
	l, known := layouts()[c.Layout]
	if !known {
		return c, l, "", types.NewError(types.ErrInvalidNetworkConfig, fmt.Sprintf("layout %q is not known", c.Layout), "use eks or azure-transparent")
	}
	var pod podArgs
	if err := types.LoadArgs(args.Args, &pod); err != nil {
		return c, l, "", types.NewError(types.ErrInvalidEnvironmentVariables, "CNI_ARGS cannot be read", err.Error())
	}
	return c, l, l.vethName(string(pod.K8S_POD_NAMESPACE), string(pod.K8S_POD_NAME)), nil
}

func add(args *skel.CmdArgs) error {
	c, l, veth, err := read(args)
	if err != nil {
		return err
	}
	leased, err := ipam.ExecAdd(c.IPAM.Type, args.StdinData)
	if err != nil {
		return err
	}
	result, err := current.NewResultFromResult(leased)
	if err == nil {
		err = wire(wiring{
			layout: l, veth: veth, ifName: args.IfName, netns: args.Netns, mtu: c.MTU, table: c.Table, addresses: result.IPs,
		}, result)
	}
	if err != nil {
		_ = ipam.ExecDel(c.IPAM.Type, args.StdinData) // the first error is what is told
		return err
	}
	return types.PrintResult(result, c.CNIVersion)
}

func del(args *skel.CmdArgs) error {
	c, _, veth, err := read(args)
	if err != nil {
		return err
	}
	if err := unwire(veth); err != nil {
		return err
	}
	return ipam.ExecDel(c.IPAM.Type, args.StdinData)
}

func check(args *skel.CmdArgs) error {
	c, _, veth, err := read(args)
	if err != nil {
		return err
	}
	if err := ipam.ExecCheck(c.IPAM.Type, args.StdinData); err != nil {
		return err
	}
	return wired(veth, args.Netns, args.IfName)
}
