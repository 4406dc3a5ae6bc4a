package compare_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// cluster is a small one, with the name of whoever has an address.
type cluster struct {
	inv       *inventory.Inventory
	addresses map[netip.Addr]string
	nodeOf    map[string]string // by Pod
}

// cidrs are what rules name; Pods and nodes are inside of some.
var cidrs = []string{
	"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25", "10.0.0.2/32", "10.0.1.0/24", "192.168.0.0/30",
	"::/0", "fd00::/16", "fd00::/64", "fd00::2/128", "2001:db8::/32",
}

func drawCluster(t *rapid.T) *cluster {
	c := &cluster{inv: inventory.New(), addresses: map[netip.Addr]string{}, nodeOf: map[string]string{}}
	for _, text := range cidrs {
		p := netip.MustParsePrefix(text)
		for _, a := range []netip.Addr{p.Addr(), p.Addr().Next(), last(p)} {
			for _, a := range []netip.Addr{a.Prev(), a, a.Next()} {
				if a.IsValid() {
					c.addresses[a] = "outside"
				}
			}
		}
	}
	// The middle of what ranges leave between them.
	for _, text := range []string{"10.0.0.77", "10.0.0.177", "10.0.1.77", "10.77.0.1", "8.8.8.8", "192.168.0.3", "fd00::77", "fd00:1::1", "2001:db8::77", "2600::1"} {
		c.addresses[netip.MustParseAddr(text)] = "outside"
	}
	for _, ns := range []string{"a", "b"} {
		labels := map[string]string{}
		if rapid.Bool().Draw(t, "team of "+ns) {
			labels["team"] = "x"
		}
		c.inv.PutNamespace(inventory.Namespace{Name: ns, Labels: labels})
	}
	for i := 1; i <= 2; i++ {
		node := inventory.Node{Name: fmt.Sprintf("n%d", i), Labels: map[string]string{"zone": rapid.SampledFrom([]string{"1", "2"}).Draw(t, "zone")}}
		node.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{192, 168, 0, byte(i)})}
		if i == 2 {
			node.Addresses = append(node.Addresses, netip.MustParseAddr("fd99::2"))
		}
		for _, a := range node.Addresses {
			c.addresses[a] = node.Name
		}
		c.inv.PutNode(node)
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "pods") {
		p := inventory.Pod{
			Namespace: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), Name: fmt.Sprintf("p%d", i),
			Labels: map[string]string{"app": rapid.SampledFrom([]string{"web", "db"}).Draw(t, "app"), "never": fmt.Sprint(i)},
			Node:   rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"),
		}
		p.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i % 2), byte(i + 1)})}
		if rapid.Bool().Draw(t, "dual-stack") {
			p.Addresses = append(p.Addresses, netip.MustParseAddr(fmt.Sprintf("fd00::%d", i+1)))
		}
		if rapid.Bool().Draw(t, "named port") {
			p.Ports = []inventory.NamedPort{{Name: "http", Protocol: abi.TCP, Number: rapid.SampledFrom([]uint16{80, 90}).Draw(t, "http")}}
		}
		c.inv.PutPod(p)
		name := p.Namespace + "/" + p.Name
		c.nodeOf[name] = p.Node
		for _, a := range p.Addresses {
			c.addresses[a] = name
		}
	}
	return c
}

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// layers is what modules ask for, by name; the place in the list is the order.
type layers []layer

type layer struct {
	Module   string
	Requests []abi.Request
}

func (l layers) String() string {
	text, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var everySet = []string{"web", "db", "a", "x", "all", "ips", "more", "nodes"}

func drawLayers(t *rapid.T, label string) (all layers) {
	for _, module := range rapid.Permutation([]string{"one", "two"}).Draw(t, label) {
		l := layer{Module: module}
		for _, name := range everySet {
			l.Requests = append(l.Requests, &abi.PutSet{Name: name, Spec: drawSet(t, name)})
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
			l.Requests = append(l.Requests, drawRule(t, i))
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "isolations") {
			l.Requests = append(l.Requests, drawIsolation(t, i))
		}
		all = append(all, l)
	}
	return all
}

// drawEdit changes one thing.
func drawEdit(t *rapid.T, from layers) layers {
	to := slices.Clone(from)
	i := rapid.IntRange(0, len(to)-1).Draw(t, "edited module")
	to[i].Requests = slices.Clone(to[i].Requests)
	at := rapid.IntRange(0, len(to[i].Requests)-1).Draw(t, "edited request")
	switch r := to[i].Requests[at].(type) {
	case *abi.PutSet:
		to[i].Requests[at] = &abi.PutSet{Name: r.Name, Spec: drawSet(t, r.Name)}
	default:
		if rapid.Bool().Draw(t, "gone") {
			to[i].Requests = slices.Delete(to[i].Requests, at, at+1)
		} else {
			to[i].Requests[at] = drawRule(t, at)
		}
	}
	return to
}

func drawSet(t *rapid.T, name string) abi.SetSpec {
	in := func(key string, values ...string) abi.Selector {
		return abi.Selector{Requirements: []abi.Requirement{{Key: key, Operator: abi.In, Values: values}}}
	}
	everywhere := &abi.Selector{}
	switch name {
	case "web", "db":
		return &abi.Pods{NamespaceSelector: everywhere, PodSelector: in("app", rapid.SampledFrom([]string{"web", "db"}).Draw(t, name))}
	case "a":
		return &abi.Pods{Namespaces: []string{rapid.SampledFrom([]string{"a", "b"}).Draw(t, name)}}
	case "x":
		x := in("team", "x")
		return &abi.Pods{NamespaceSelector: &x}
	case "all":
		return &abi.Pods{NamespaceSelector: everywhere}
	case "nodes":
		return &abi.Nodes{Selector: in("zone", rapid.SampledFrom([]string{"1", "2"}).Draw(t, name))}
	}
	spec := &abi.Addresses{}
	for range rapid.IntRange(1, 3).Draw(t, "blocks of "+name) {
		b := abi.Block{CIDR: rapid.SampledFrom(cidrs).Draw(t, "cidr")}
		cidr := netip.MustParsePrefix(b.CIDR)
		for _, text := range cidrs {
			inner := netip.MustParsePrefix(text)
			if inner.Bits() > cidr.Bits() && cidr.Contains(inner.Addr()) && rapid.IntRange(0, 3).Draw(t, "except") == 0 {
				b.Except = append(b.Except, text)
			}
		}
		if !slices.ContainsFunc(spec.Blocks, func(o abi.Block) bool { return o.CIDR == b.CIDR }) {
			spec.Blocks = append(spec.Blocks, b)
		}
	}
	return spec
}

func drawRule(t *rapid.T, i int) *abi.PutRule {
	spec := abi.RuleSpec{
		Tier:      rapid.SampledFrom([]abi.Tier{abi.Admin, abi.Network, abi.Baseline}).Draw(t, "tier"),
		Direction: rapid.SampledFrom([]abi.Direction{abi.Ingress, abi.Egress}).Draw(t, "direction"),
		Priority:  rapid.Int32Range(0, 2).Draw(t, "priority"),
		Subjects:  []string{rapid.SampledFrom(everySet[:5]).Draw(t, "subject")},
		Action:    rapid.SampledFrom([]abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass}).Draw(t, "action"),
	}
	if spec.AnyPeer = rapid.IntRange(0, 3).Draw(t, "any peer") == 0; !spec.AnyPeer {
		spec.Peers = []string{rapid.SampledFrom(everySet).Draw(t, "peer"), rapid.SampledFrom(everySet).Draw(t, "peer")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		spec.Ports = append(spec.Ports, drawPort(t))
	}
	return &abi.PutRule{Name: fmt.Sprintf("r%d", i), Spec: spec}
}

func drawPort(t *rapid.T) abi.Port {
	return rapid.SampledFrom([]abi.Port{
		{Protocol: abi.TCP, First: 80, Last: 80},
		{Protocol: abi.TCP, First: 80, Last: 90},
		{Protocol: abi.TCP, Name: "http"},
		{Protocol: abi.UDP},
		{Protocol: abi.UDP, First: 443, Last: 65535},
		{Protocol: abi.SCTP, First: 1, Last: 80},
		{Protocol: abi.ICMP},
		{Protocol: abi.ICMPv6},
		{Protocol: abi.ICMP, ICMP: &abi.ICMPKind{Type: 8, AnyCode: true}},
		{Protocol: abi.ICMPv6, ICMP: &abi.ICMPKind{Type: 8, Code: 1}},
		{Protocol: abi.AnyProtocol},
	}).Draw(t, "port")
}

func drawIsolation(t *rapid.T, i int) *abi.PutIsolation {
	return &abi.PutIsolation{Name: fmt.Sprintf("i%d", i), Spec: abi.IsolationSpec{
		Tier:      rapid.SampledFrom([]abi.Tier{abi.Admin, abi.Network, abi.Baseline}).Draw(t, "tier"),
		Direction: rapid.SampledFrom([]abi.Direction{abi.Ingress, abi.Egress}).Draw(t, "direction"),
		Subjects:  []string{rapid.SampledFrom(everySet[:5]).Draw(t, "subject")},
	}}
}

func layersOf(t *rapid.T, all layers) (out []*policy.Layer) {
	grant := policy.Grant{Tiers: []abi.Tier{abi.Admin, abi.Network, abi.Baseline}, Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass}}
	for i, l := range all {
		layer := policy.NewLayer(l.Module, i, grant, policy.Limits{})
		txn := layer.Begin(true)
		for _, r := range l.Requests {
			if err := txn.Stage(r); err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
		}
		layer.Commit(txn)
		out = append(out, layer)
	}
	return out
}
