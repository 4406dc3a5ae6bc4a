package bench

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
)

// cluster is a cluster of some size: applications that belong to namespaces, Pods
// that belong to applications, all evenly. Local Pods are the first ones.
type cluster struct {
	pods, spaces, apps, local int
	dual                      bool // Pods have an IPv6 address too
}

// teams share out the namespaces.
const teams = 20

func appName(app int) string               { return "application-" + strconv.Itoa(app) }
func (c cluster) spaceOf(app int) string   { return "namespace-" + strconv.Itoa(app%c.spaces) }
func (c cluster) neighbour(app, k int) int { return (app + k*c.spaces) % c.apps }

func (c cluster) families() int {
	if c.dual {
		return 2
	}
	return 1
}

// pod is a Pod as clusters have them.
func (c cluster) pod(i int) inventory.Pod {
	app := i % c.apps
	p := inventory.Pod{
		Namespace: c.spaceOf(app),
		Name:      fmt.Sprintf("application-%d-7d4b9c6f5-%05d", app, i),
		UID:       fmt.Sprintf("11111111-2222-3333-4444-%012d", i),
		Labels:    appLabels(app),
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
		Node:      "node-" + strconv.Itoa(i%1000),
	}
	if c.dual {
		p.Addresses = append(p.Addresses, netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}))
	}
	return p
}

func appLabels(app int) map[string]string {
	return map[string]string{
		"app":               appName(app),
		"env":               "production",
		"pod-template-hash": "hash-" + strconv.Itoa(app),
		"tier":              "tier-" + strconv.Itoa(app%7),
	}
}

// localPod is how Pod i is plugged into the bridge.
func (c cluster) localPod(i int) datapath.LocalPod {
	p := c.pod(i)
	return datapath.LocalPod{
		Namespace: p.Namespace, Name: p.Name, OFPort: uint32(10 + i),
		MAC: net.HardwareAddr{2, 1, 0, 0, byte(i >> 8), byte(i)}, Addresses: p.Addresses,
	}
}

// fill puts namespaces, Pods and attachments into an inventory and a datapath.
func (c cluster) fill(inv *inventory.Inventory, dp *datapath.Datapath) {
	for i := range c.spaces {
		inv.PutNamespace(inventory.Namespace{Name: "namespace-" + strconv.Itoa(i), Labels: map[string]string{"team": "team-" + strconv.Itoa(i%teams)}})
	}
	for i := range c.pods {
		inv.PutPod(c.pod(i))
	}
	for i := range c.local {
		dp.PutPod(c.localPod(i))
	}
}

// policy is NetworkPolicy i, as JSON, in the namespace and with the name given
// with it. It is about one application: a few of the same namespace may reach it,
// every tenth policy also lets a team in; it may reach one application and the
// DNS server. Other ports make it another version of itself.
func (c cluster) policy(i, port int) (namespace, name string, object []byte) {
	app := i % c.apps
	namespace, name = c.spaceOf(app), "policy-"+strconv.Itoa(i)
	peer := func(k int) string {
		return `{"podSelector":{"matchLabels":{"app":"` + appName(c.neighbour(app, k)) + `"}}}`
	}
	team := ""
	if i%10 == 0 {
		team = fmt.Sprintf(`,{"from":[{"namespaceSelector":{"matchLabels":{"team":"team-%d"}}}],"ports":[{"protocol":"TCP","port":9100}]}`, i/10%teams)
	}
	return namespace, name, fmt.Appendf(nil, `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"namespace":%q,"name":%q},"spec":{`+
		`"podSelector":{"matchLabels":{"app":%q}},"policyTypes":["Ingress","Egress"],`+
		`"ingress":[{"from":[%s,%s],"ports":[{"protocol":"TCP","port":%d},{"protocol":"TCP","port":443}]}%s],`+
		`"egress":[{"to":[%s],"ports":[{"protocol":"TCP","port":5432}]},{"to":[{"ipBlock":{"cidr":"10.96.0.10/32"}}],"ports":[{"protocol":"UDP","port":53}]}]}}`,
		namespace, name, appName(app), peer(1+i%3), peer(4), port, team, peer(5))
}
