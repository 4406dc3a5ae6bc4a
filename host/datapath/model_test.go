package datapath_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// world is a small cluster seen from one node, with everything that the agent
// would have: an inventory, layers, a datapath, and a simulated switch.
type world struct {
	inv    *inventory.Inventory
	layers map[string]*policy.Layer
	dp     *datapath.Datapath
	sw     *flowsim.Switch
	pods   map[string]inventory.Pod // by namespace/name
	spaces map[string]map[string]string
	local  map[string]uint32 // port by namespace/name
	port   uint32
	// audited are the namespaces whose every decision is logged.
	audited map[string]bool
	alone   map[policy.Key]*policy.Layer
	// bounded: transactions may be refused, and are counted.
	bounded bool
	refused int
}

const (
	nodeName    = "here"
	gatewayPort = 1
)

var (
	nodeAddrs  = []netip.Addr{netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("fd99::1")}
	otherNode  = []netip.Addr{netip.MustParseAddr("192.168.0.2"), netip.MustParseAddr("fd99::2")}
	gatewayMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	outside    = []netip.Addr{
		netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:db8::1"),
	}
	modules = []struct {
		name  string
		order int
	}{{"first", 1}, {"second", 2}}
)

var grant = policy.Grant{
	Tiers:   []abi.Tier{abi.Admin, abi.Network, abi.Baseline},
	Actions: []abi.Action{abi.Allow, abi.Deny, abi.Reject, abi.Pass},
}

type fataler interface{ Fatalf(string, ...any) }

func newWorld(t fataler) *world { return newWorldOn(t, flowsim.New()) }

// newWorldOn is an agent that starts with the flows that a switch has.
func newWorldOn(t fataler, sw *flowsim.Switch) *world {
	return newWorldWithin(t, sw, datapath.Limits{})
}

func newWorldWithin(t fataler, sw *flowsim.Switch, limits datapath.Limits) *world {
	w := &world{
		inv: inventory.New(), layers: map[string]*policy.Layer{}, sw: sw,
		pods: map[string]inventory.Pod{}, spaces: map[string]map[string]string{}, local: map[string]uint32{}, port: 10,
		audited: map[string]bool{},
	}
	sw.Free = []of.Field{of.Reg(egressBy), of.Reg(ingressBy)}
	w.dp = datapath.New(datapath.Options{Inventory: w.inv, Logger: slog.New(slog.DiscardHandler), Limits: limits})
	w.dp.SetGateway(datapath.Gateway{OFPort: gatewayPort, MAC: gatewayMAC})
	w.dp.SetNodeAddresses(nodeAddrs)
	w.inv.PutNode(inventory.Node{Name: nodeName, Labels: map[string]string{"zone": "a"}, Addresses: nodeAddrs})
	w.inv.PutNode(inventory.Node{Name: "there", Labels: map[string]string{"zone": "b"}, Addresses: otherNode})
	for _, m := range modules {
		w.layers[m.name] = policy.NewLayer(m.name, m.order, grant, policy.Limits{})
	}
	if err := w.dp.Connect(context.Background(), w.sw); err != nil {
		t.Fatalf("connect: %v", err)
	}
	return w
}

func (w *world) realise(t fataler) int {
	w.dp.Refresh()
	n, err := w.dp.Realise(context.Background())
	if err != nil {
		t.Fatalf("realise: %v", err)
	}
	return n
}

func (w *world) putPod(p inventory.Pod) {
	w.inv.PutPod(p)
	w.pods[p.Namespace+"/"+p.Name] = p
}

func (w *world) attach(p inventory.Pod) {
	key := p.Namespace + "/" + p.Name
	if w.local[key] == 0 {
		w.port++
		w.local[key] = w.port
	}
	w.dp.PutPod(datapath.LocalPod{
		Namespace: p.Namespace, Name: p.Name, OFPort: w.local[key],
		MAC: net.HardwareAddr{2, 1, 0, 0, 0, byte(w.local[key])}, Addresses: p.Addresses,
	})
}

func (w *world) detach(key string) {
	ns, name, _ := strings.Cut(key, "/")
	w.dp.DeletePod(ns, name)
	delete(w.local, key)
}

func (w *world) commit(t fataler, module string, reset bool, requests []abi.Request) {
	l := w.layers[module]
	txn := l.Begin(reset)
	for _, r := range requests {
		if err := txn.Stage(r); err != nil {
			t.Fatalf("stage %#v: %v", r, err)
		}
	}
	if err := txn.Check(); err != nil {
		return // for instance a set that is still named: not what is tested here
	}
	if w.bounded {
		w.realise(t)
	}
	err := w.dp.Commit(txn.Delta())
	if _, refused := errors.AsType[*datapath.TooMuchError](err); refused && w.bounded {
		w.refused++
		if n := w.realise(t); n != 0 {
			t.Fatalf("a refused transaction changed %d flows", n)
		}
		return
	}
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	l.Commit(txn)
}

func (w *world) view() policy.View {
	return policy.View{Inventory: w.inv.Snapshot(), Layers: slices.Collect(maps.Values(w.layers))}
}

// check sends every kind of packet through the flows and asks the model the
// same question.
func (w *world) check(t fataler) {
	view, portOf := w.view(), w.ports()
	w.alone = map[policy.Key]*policy.Layer{}
	for _, q := range w.questions() {
		w.checkOne(t, view, portOf, q)
	}
}

// ports are the ports of the addresses of local Pods.
func (w *world) ports() map[netip.Addr]uint32 {
	portOf := map[netip.Addr]uint32{}
	for key, port := range w.local {
		for _, a := range w.pods[key].Addresses {
			portOf[a] = port
		}
	}
	return portOf
}

// questions are the first packets of all connections that pass the bridge, of
// every kind.
func (w *world) questions() (out []policy.Packet) {
	var ends []netip.Addr
	for _, key := range slices.Sorted(maps.Keys(w.pods)) {
		ends = append(ends, w.pods[key].Addresses...)
	}
	ends = append(append(append(ends, outside...), nodeAddrs...), otherNode...)
	portOf := w.ports()
	for _, from := range ends {
		for _, to := range ends {
			if from.Is4() != to.Is4() || from == to || (portOf[from] == 0 && portOf[to] == 0) {
				continue
			}
			for _, kind := range kinds {
				protocol := kind.protocol
				if protocol == abi.ICMP && from.Is6() {
					protocol = abi.ICMPv6
				}
				out = append(out, policy.Packet{Source: from, Destination: to, Protocol: protocol, Port: kind.port})
			}
		}
	}
	return out
}

// allowedHere is the model's answer, as far as it is this node's to give: it
// decides for its own Pods only.
func allowedHere(v policy.Verdict, portOf map[netip.Addr]uint32, p policy.Packet) bool {
	return (portOf[p.Source] == 0 || v.Egress.Verdict == abi.Allow) &&
		(portOf[p.Destination] == 0 || v.Ingress.Verdict == abi.Allow)
}

var kinds = []struct {
	protocol abi.Protocol
	port     uint16
}{
	{abi.TCP, 80}, {abi.TCP, 81}, {abi.TCP, 8080}, {abi.UDP, 80}, {abi.UDP, 53}, {abi.SCTP, 80}, {abi.ICMP, 128 << 8},
}

func (w *world) checkOne(t fataler, view policy.View, portOf map[netip.Addr]uint32, p policy.Packet) {
	verdict := policy.Evaluate(view, p)
	want := allowedHere(verdict, portOf, p)

	port := func(a netip.Addr) uint32 {
		if n := portOf[a]; n != 0 {
			return n
		}
		return gatewayPort
	}
	open := flowsim.Packet{
		InPort: port(p.Source), Source: p.Source, Destination: p.Destination, Protocol: uint8(p.Protocol),
		SourcePort: 40000, DestPort: p.Port, Connection: flowsim.Connection{State: of.CTNew},
	}
	if p.Protocol == abi.ICMP || p.Protocol == abi.ICMPv6 {
		open.SourcePort, open.DestPort = p.Port>>8, p.Port&0xff
	}
	later := open
	later.Connection = flowsim.Connection{State: of.CTEstablished}
	reply := flowsim.Packet{
		InPort: port(p.Destination), Source: p.Destination, Destination: p.Source, Protocol: uint8(p.Protocol),
		SourcePort: open.DestPort, DestPort: open.SourcePort,
		Connection: flowsim.Connection{State: of.CTEstablished | of.CTReply, Original: &open},
	}
	for _, packet := range []flowsim.Packet{open, later, reply} {
		out, err := w.sw.Run(packet)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if passed := out.Port != 0; passed != want {
			t.Fatalf("packet %+v\npassed %t by path %v, the model says %t:\negress  %+v\ningress %+v\n%s",
				packet, passed, out.Path, want, verdict.Egress, verdict.Ingress, w.dump())
		}
		if out.Port != 0 {
			w.checkWay(t, packet, portOf, out)
		}
		w.checkDecisions(t, view, portOf, p, packet, verdict, out)
	}
}

// checkWay checks the baseline: the right port, and one hop for Pod to Pod.
func (w *world) checkWay(t fataler, p flowsim.Packet, portOf map[netip.Addr]uint32, out flowsim.Outcome) {
	wantPort, wantTTL := uint32(gatewayPort), uint8(64)
	if n := portOf[p.Destination]; n != 0 {
		wantPort = n
		if portOf[p.Source] != 0 {
			wantTTL = 63
		}
	}
	if out.Port != wantPort || out.TTL != wantTTL || out.Committed != (p.Connection.State == of.CTNew) {
		t.Fatalf("packet %+v left by port %d with TTL %d, committed %t; want port %d, TTL %d",
			p, out.Port, out.TTL, out.Committed, wantPort, wantTTL)
	}
}

func (w *world) dump() string {
	var lines []string
	for _, f := range w.sw.Flows() {
		if f.Table >= uint8(datapath.SourceClass) && f.Table <= uint8(datapath.IngressBaseline) {
			lines = append(lines, f.String())
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Generators.

var (
	labelKeys   = []string{"app", "tier"}
	labelValues = []string{"a", "b", "c"}
	portNames   = []string{"web", "dns"}
	setNames    = []string{"s0", "s1", "s2", "s3", "n0", "a0", "a1"}
	cidrs       = []string{"10.0.0.0/8", "10.0.0.0/30", "10.0.1.0/24", "0.0.0.0/0", "8.8.8.0/24", "fd00::/16", "::/0", "2001:db8::/32", "10.9.9.9/32"}
)

func genLabels(t *rapid.T) map[string]string {
	labels := map[string]string{}
	for _, k := range labelKeys {
		if rapid.Bool().Draw(t, "has "+k) {
			labels[k] = rapid.SampledFrom(labelValues).Draw(t, k)
		}
	}
	return labels
}

func genSelector(t *rapid.T) abi.Selector {
	var s abi.Selector
	for range rapid.IntRange(0, 2).Draw(t, "requirements") {
		r := abi.Requirement{
			Key:      rapid.SampledFrom(labelKeys).Draw(t, "key"),
			Operator: rapid.SampledFrom([]abi.Operator{abi.In, abi.NotIn, abi.Exists, abi.DoesNotExist}).Draw(t, "operator"),
		}
		if r.Operator == abi.In || r.Operator == abi.NotIn {
			r.Values = rapid.SliceOfNDistinct(rapid.SampledFrom(labelValues), 1, 2, rapid.ID).Draw(t, "values")
		}
		s.Requirements = append(s.Requirements, r)
	}
	return s
}

func genSet(t *rapid.T, name string) abi.SetSpec {
	switch name[0] {
	case 'n':
		return &abi.Nodes{Selector: abi.Selector{Requirements: []abi.Requirement{{
			Key: "zone", Operator: abi.In, Values: []string{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")},
		}}}}
	case 'a':
		var a abi.Addresses
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			b := abi.Block{CIDR: rapid.SampledFrom(cidrs).Draw(t, "cidr")}
			outer := netip.MustParsePrefix(b.CIDR)
			for _, c := range cidrs {
				inner := netip.MustParsePrefix(c)
				if inner.Bits() > outer.Bits() && outer.Contains(inner.Addr()) && rapid.Bool().Draw(t, "except") {
					b.Except = append(b.Except, c)
				}
			}
			if !slices.ContainsFunc(a.Blocks, func(o abi.Block) bool { return o.CIDR == b.CIDR }) {
				a.Blocks = append(a.Blocks, b)
			}
		}
		return &a
	}
	p := &abi.Pods{PodSelector: genSelector(t)}
	if rapid.Bool().Draw(t, "by namespace selector") {
		s := genSelector(t)
		p.NamespaceSelector = &s
	} else {
		p.Namespaces = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y"}), 1, 2, rapid.ID).Draw(t, "namespaces")
	}
	return p
}

func genPort(t *rapid.T) abi.Port {
	protocol := rapid.SampledFrom([]abi.Protocol{abi.TCP, abi.TCP, abi.UDP, abi.SCTP}).Draw(t, "protocol")
	switch rapid.IntRange(0, 4).Draw(t, "port form") {
	case 0:
		return abi.Port{Protocol: protocol, Name: rapid.SampledFrom(portNames).Draw(t, "port name")}
	case 1:
		return abi.Port{Protocol: protocol}
	case 2:
		return abi.Port{Protocol: protocol, First: 79, Last: 8079}
	default:
		n := rapid.SampledFrom([]uint16{80, 81, 53}).Draw(t, "number")
		return abi.Port{Protocol: protocol, First: n, Last: n}
	}
}

func genRule(t *rapid.T) abi.RuleSpec {
	r := abi.RuleSpec{
		Tier:      rapid.SampledFrom([]abi.Tier{abi.Admin, abi.Network, abi.Network, abi.Baseline}).Draw(t, "tier"),
		Direction: rapid.SampledFrom([]abi.Direction{abi.Ingress, abi.Egress}).Draw(t, "direction"),
		Priority:  int32(rapid.IntRange(-2, 2).Draw(t, "priority")),
		Subjects:  rapid.SliceOfNDistinct(rapid.SampledFrom(setNames[:4]), 1, 2, rapid.ID).Draw(t, "subjects"),
		Action:    rapid.SampledFrom([]abi.Action{abi.Allow, abi.Allow, abi.Deny, abi.Reject, abi.Pass}).Draw(t, "action"),
		Log:       rapid.Bool().Draw(t, "log"),
	}
	if r.AnyPeer = rapid.IntRange(0, 3).Draw(t, "any peer") == 0; !r.AnyPeer {
		r.Peers = rapid.SliceOfNDistinct(rapid.SampledFrom(setNames), 1, 3, rapid.ID).Draw(t, "peers")
	}
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		r.Ports = append(r.Ports, genPort(t))
	}
	return r
}

func genIsolation(t *rapid.T) abi.IsolationSpec {
	return abi.IsolationSpec{
		Tier:      rapid.SampledFrom([]abi.Tier{abi.Admin, abi.Network, abi.Network, abi.Baseline}).Draw(t, "tier"),
		Direction: rapid.SampledFrom([]abi.Direction{abi.Ingress, abi.Egress}).Draw(t, "direction"),
		Subjects:  rapid.SliceOfNDistinct(rapid.SampledFrom(setNames[:4]), 1, 2, rapid.ID).Draw(t, "subjects"),
	}
}

func genPod(t *rapid.T) inventory.Pod {
	n := rapid.IntRange(1, 4).Draw(t, "pod")
	ns := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "namespace")
	third := map[string]int{"x": 0, "y": 1}[ns]
	p := inventory.Pod{
		Namespace: ns, Name: fmt.Sprintf("p%d", n), Labels: genLabels(t), Node: "there",
		Addresses: []netip.Addr{
			netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", third, n)), netip.MustParseAddr(fmt.Sprintf("fd00::%d:%d", third, n)),
		},
	}
	if n <= 2 {
		p.Node = nodeName
	}
	for _, name := range portNames {
		if rapid.Bool().Draw(t, "port "+name) {
			p.Ports = append(p.Ports, inventory.NamedPort{
				Name: name, Protocol: rapid.SampledFrom([]abi.Protocol{abi.TCP, abi.UDP}).Draw(t, "its protocol"),
				Number: rapid.SampledFrom([]uint16{80, 8080, 53}).Draw(t, "its number"),
			})
		}
	}
	return p
}

// snapshot is a whole policy of one module.
func genPolicy(t *rapid.T, rules int) []abi.Request {
	var out []abi.Request
	for _, name := range setNames {
		out = append(out, &abi.PutSet{Name: name, Spec: genSet(t, name)})
	}
	for i := range rapid.IntRange(0, rules).Draw(t, "rules") {
		out = append(out, &abi.PutRule{Name: fmt.Sprintf("r%d", i), Spec: genRule(t)})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "isolations") {
		out = append(out, &abi.PutIsolation{Name: fmt.Sprintf("i%d", i), Spec: genIsolation(t)})
	}
	return out
}

// step makes one random change.
func (w *world) step(t *rapid.T) {
	module := rapid.SampledFrom(modules).Draw(t, "module").name
	switch rapid.IntRange(0, 10).Draw(t, "step") {
	case 0, 1, 2:
		p := genPod(t)
		w.putPod(p)
		if p.Node == nodeName && rapid.Bool().Draw(t, "attach") {
			w.attach(p)
		}
	case 3:
		if keys := slices.Sorted(maps.Keys(w.pods)); len(keys) > 0 {
			key := rapid.SampledFrom(keys).Draw(t, "gone")
			w.detach(key)
			ns, name, _ := strings.Cut(key, "/")
			w.inv.DeletePod(ns, name)
			delete(w.pods, key)
		}
	case 4:
		ns := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "relabelled")
		w.spaces[ns] = genLabels(t)
		w.inv.PutNamespace(inventory.Namespace{Name: ns, Labels: w.spaces[ns]})
	case 5:
		name := rapid.SampledFrom(setNames).Draw(t, "set")
		w.commit(t, module, false, []abi.Request{&abi.PutSet{Name: name, Spec: genSet(t, name)}})
	case 6:
		if w.layers[module].Size().Sets == len(setNames) {
			w.commit(t, module, false, []abi.Request{&abi.PutRule{Name: fmt.Sprintf("r%d", rapid.IntRange(0, 5).Draw(t, "rule")), Spec: genRule(t)}})
		}
	case 7:
		w.commit(t, module, false, []abi.Request{&abi.DeleteRule{Name: fmt.Sprintf("r%d", rapid.IntRange(0, 5).Draw(t, "rule"))}})
	case 8:
		w.commit(t, module, true, genPolicy(t, 4))
	case 9:
		w.commit(t, module, true, nil)
	case 10:
		ns, on := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "audited"), rapid.Bool().Draw(t, "on")
		w.dp.LogNamespace(ns, on)
		w.audited[ns] = on
	}
}

// learn makes n know at once what w knows.
func (n *world) learn(t fataler, w *world) {
	for name, on := range w.audited {
		n.audited[name] = on
		n.dp.LogNamespace(name, on)
	}
	for name, labels := range w.spaces {
		n.spaces[name] = labels
		n.inv.PutNamespace(inventory.Namespace{Name: name, Labels: labels})
	}
	for _, key := range slices.Sorted(maps.Keys(w.pods)) {
		n.putPod(w.pods[key])
		if port := w.local[key]; port != 0 {
			n.local[key] = port
			n.attach(w.pods[key])
		}
	}
	for _, m := range modules {
		var requests []abi.Request
		for s := range w.layers[m.name].Sets() {
			requests = append(requests, &abi.PutSet{Name: s.Name, Spec: s.Spec})
		}
		for r := range w.layers[m.name].Rules() {
			requests = append(requests, &abi.PutRule{Name: r.Name, Spec: r.Spec})
		}
		for i := range w.layers[m.name].Isolations() {
			requests = append(requests, &abi.PutIsolation{Name: i.Name, Spec: i.Spec})
		}
		n.commit(t, m.name, true, requests)
	}
	n.realise(t)
}

// canonical are the flows with priorities of rule tables replaced by their
// rank, which is all that they mean.
func canonical(s *flowsim.Switch) []string {
	ranks := map[uint8][]uint16{}
	for _, f := range s.Flows() {
		ranks[f.Table] = append(ranks[f.Table], f.Priority)
	}
	for table := range ranks {
		slices.Sort(ranks[table])
		ranks[table] = slices.Compact(ranks[table])
	}
	var out []string
	for _, f := range s.Flows() {
		rank, _ := slices.BinarySearch(ranks[f.Table], f.Priority)
		f.Priority = uint16(rank)
		out = append(out, f.String())
	}
	slices.Sort(out)
	return out
}

// genWorld is a random cluster with random policies, realised.
func genWorld(t *rapid.T) *world {
	w := newWorld(t)
	for _, ns := range []string{"x", "y"} {
		w.spaces[ns] = genLabels(t)
		w.inv.PutNamespace(inventory.Namespace{Name: ns, Labels: w.spaces[ns]})
	}
	for range rapid.IntRange(2, 6).Draw(t, "pods") {
		p := genPod(t)
		w.putPod(p)
		if p.Node == nodeName {
			w.attach(p)
		}
	}
	for _, m := range modules {
		w.commit(t, m.name, true, genPolicy(t, 6))
	}
	w.realise(t)
	return w
}

func TestFlowsDoWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { genWorld(t).check(t) })
}

func TestAnyHistoryEndsAsAFreshStartWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.step(t)
			if rapid.Bool().Draw(t, "write") {
				w.realise(t)
			}
		}
		w.realise(t)
		w.check(t)
		fresh := newWorld(t)
		fresh.learn(t, w)
		got, want := canonical(w.sw), canonical(fresh.sw)
		if !slices.Equal(got, want) {
			t.Fatalf("flows differ from those of a fresh start:\nonly here:  %s\nonly fresh: %s",
				strings.Join(without(got, want), "\n            "), strings.Join(without(want, got), "\n            "))
		}
		if n := w.realise(t); n != 0 {
			t.Fatalf("nothing changed and %d flows were written", n)
		}
	})
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func TestARestartWritesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			w.step(t)
		}
		w.realise(t)
		before := w.sw.Written
		newWorldOn(t, w.sw).learn(t, w)
		if n := w.sw.Written - before; n != 0 {
			t.Fatalf("a restart wrote %d flows", n)
		}
	})
}
