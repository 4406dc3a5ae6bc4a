package datapath

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// Options of a Datapath.
type Options struct {
	Inventory *inventory.Inventory // shared with the caller: one goroutine owns both
	Logger    *slog.Logger
	Limits    Limits
}

// Datapath is the wanted state of the bridge and its difference to the switch.
// It belongs to one goroutine.
type Datapath struct {
	log       *slog.Logger
	inv       *inventory.Inventory
	book      *book
	members   *members
	rules     *rules
	groups    *groupBook
	services  *services
	stale     map[Stale]struct{}
	gateway   Gateway
	pods      map[string]LocalPod
	widest    int // the largest MTU of a Pod, bytes
	nodeAddrs map[netip.Addr]struct{}
	hints     map[uint32]uint16
	ports     atomic.Pointer[ports]
	logged    map[string]struct{} // namespaces, see LogNamespace
	limits    Limits
	untold    bool // the switch has no meters, so it tells the agent nothing
	sw        Switch
	stats     Stats
}

// New makes a Datapath without a switch: everything can be put into it, and is
// written once there is one (Connect).
func New(o Options) *Datapath {
	d := &Datapath{
		log: o.Logger, inv: o.Inventory, book: newBook(),
		pods: map[string]LocalPod{}, nodeAddrs: map[netip.Addr]struct{}{}, hints: map[uint32]uint16{},
		logged: map[string]struct{}{}, limits: o.Limits.complete(),
	}
	d.groups, d.stale = newGroupBook(), map[Stale]struct{}{}
	d.services = newServices(d.book, d.groups)
	d.members = newMembers(d.book, o.Inventory)
	d.rules = newRules(d.members, func(id uint32) (uint16, bool) {
		p, ok := d.hints[id]
		return p, ok
	})
	return d
}

// SetGateway installs the baseline for this gateway.
func (d *Datapath) SetGateway(gw Gateway) {
	for _, f := range d.baseline() {
		d.book.remove(f.Key())
	}
	for _, p := range d.pods {
		d.dropPodFlows(p)
	}
	d.gateway = gw
	d.publishPorts()
	for _, f := range d.baseline() {
		d.book.put(f)
	}
	for _, p := range d.pods {
		d.putPodFlows(p)
	}
}

func (d *Datapath) baseline() []of.Flow {
	if d.gateway.OFPort == 0 {
		return nil
	}
	return baselineFlows(d.gateway, !d.untold)
}

// SetNodeAddresses tells which addresses are the node's own, of both families.
func (d *Datapath) SetNodeAddresses(addrs []netip.Addr) {
	now := map[netip.Addr]struct{}{}
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); !a.IsLinkLocalUnicast() || a.Is4() {
			now[a] = struct{}{}
		}
	}
	for a := range d.nodeAddrs {
		if _, stays := now[a]; !stays {
			for _, f := range memberFlows(a, NodeClass, prioMiddle) {
				d.book.remove(f.Key())
			}
		}
	}
	for a := range now {
		for _, f := range memberFlows(a, NodeClass, prioMiddle) {
			d.book.put(f)
		}
	}
	d.nodeAddrs = now
}

// LogNamespace says whether the agent is to be told of every connection of the
// Pods of a namespace. It costs no flow: the mark is set where a Pod's packets
// are told from others' anyway.
func (d *Datapath) LogNamespace(namespace string, on bool) {
	if _, was := d.logged[namespace]; was == on {
		return
	}
	for _, p := range d.pods {
		if p.Namespace == namespace {
			d.dropPodFlows(p)
		}
	}
	if on {
		d.logged[namespace] = struct{}{}
	} else {
		delete(d.logged, namespace)
	}
	for _, p := range d.pods {
		if p.Namespace == namespace {
			d.putPodFlows(p)
		}
	}
}

// Logged says whether LogNamespace is on for a namespace.
func (d *Datapath) Logged(namespace string) bool {
	_, on := d.logged[namespace]
	return on
}

// apply makes a change, unless it needs more than is allowed: then everything
// is as before, which is what before brings back.
func (d *Datapath) apply(delta, before policy.Delta, allowed allowance) error {
	if err := d.acquire(delta); err != nil {
		d.takeBack(before)
		return err
	}
	changes := d.inv.Flush()
	if err := d.checkBlocks(allowed, changes); err != nil {
		d.acquirePorts(delta.PutRules, d.inv.ReleasePortName)
		d.takeBack(before)
		return err
	}
	for _, k := range delta.DeleteRules {
		d.dropRule(k)
	}
	for _, r := range delta.PutRules {
		d.dropRule(r.Key)
	}
	for _, k := range delta.DeleteIsolations {
		d.dropRule(isolationKey(k))
	}
	for _, i := range delta.PutIsolations {
		d.dropRule(isolationKey(i.Key))
	}
	for _, s := range delta.PutSets {
		d.rules.set(s.Key).spec = s.Spec
	}
	d.follow(changes)
	for _, s := range delta.PutSets {
		d.rules.sync(s.Key)
	}
	var tooMuch error
	for n, r := range delta.PutRules {
		d.addRule(&rule{key: r.Key, order: r.Order, spec: r.Spec})
		if tooMuch = allowed.check(d.book.load(), true); tooMuch != nil {
			d.acquirePorts(delta.PutRules[n+1:], d.inv.ReleasePortName)
			break
		}
	}
	for _, i := range delta.PutIsolations {
		d.addRule(&rule{
			key: isolationKey(i.Key), isolation: true,
			spec: abi.RuleSpec{
				Tier: i.Spec.Tier, Direction: i.Spec.Direction, Subjects: i.Spec.Subjects,
				AnyPeer: true, Action: abi.Deny, Origin: i.Spec.Origin,
			},
		})
	}
	for _, k := range delta.DeleteSets {
		d.rules.dropSet(k)
	}
	d.release(delta)
	d.follow(d.inv.Flush())
	if tooMuch != nil {
		_ = d.apply(before, policy.Delta{}, allowance{}) // was in force before
	}
	return tooMuch
}

func (d *Datapath) addRule(r *rule) {
	d.rules.byKey[r.key] = r
	d.rules.add(r)
}

func (d *Datapath) dropRule(k policy.Key) {
	if r := d.rules.byKey[k]; r != nil {
		d.rules.drop(r)
		delete(d.rules.byKey, k)
		delete(d.rules.failed, k)
		for _, p := range r.spec.Ports {
			if p.Name != "" {
				d.inv.ReleasePortName(p.Name)
			}
		}
	}
}

// dropSet forgets a set that no rule names any longer.
func (c *rules) dropSet(k policy.Key) {
	s := c.sets[k]
	if s == nil {
		return
	}
	for id := range s.classes {
		c.leave(s, id)
	}
	delete(c.sets, k)
}

// Refresh brings in what happened in the inventory: Pods, namespaces, nodes.
func (d *Datapath) Refresh() { d.follow(d.inv.Flush()) }

// follow keeps lookups and rules in step with the inventory.
func (d *Datapath) follow(ch inventory.Changes) {
	for _, b := range ch.Blocks {
		for _, f := range blockFlows(b.Prefix, b.Block) {
			if b.Block == 0 {
				d.book.remove(f.Key())
			} else {
				d.book.put(f)
			}
		}
	}
	var gone, come []inventory.ClassID
	for _, a := range ch.Addresses {
		from, had := d.members.of[a.Addr]
		d.members.move(a.Addr, a.Class)
		if had && len(d.members.class(from).addresses) == 0 {
			gone = append(gone, from)
		}
		if a.Class != 0 {
			come = append(come, a.Class)
		}
	}
	for _, id := range come {
		if _, had := d.members.every.classes[id]; !had && len(d.members.class(id).addresses) > 0 {
			d.rules.join(d.members.every, id)
		}
	}
	for _, k := range ch.Sets {
		d.rules.sync(k)
	}
	for _, id := range ch.Classes {
		d.rules.localise(id, d.inv.ClassIsLocal(id))
	}
	for _, id := range gone {
		if _, had := d.members.every.classes[id]; had && len(d.members.class(id).addresses) == 0 {
			d.rules.leave(d.members.every, id)
		}
	}
	d.members.settle()
}

// Failed lists rules that could not be compiled, with the reason.
func (d *Datapath) Failed() map[policy.Key]error { return d.rules.failed }

// Switch is the bridge: a connection to Open vSwitch, or an evaluator of flows
// in tests.
type Switch interface {
	Apply(ctx context.Context, mods []of.Mod) error
	EachFlow(ctx context.Context, filter of.FlowFilter, each func(of.FlowStats)) error
	DumpGroups(ctx context.Context) ([]of.GroupEntry, error)
	DumpMeters(ctx context.Context) ([]of.MeterEntry, error)
	AddMeter(ctx context.Context, m of.MeterEntry) error
	ModifyMeter(ctx context.Context, m of.MeterEntry) error
}

// ErrNoSwitch says that there is no connection to the bridge at the moment. What
// was wanted is remembered and written by the next Connect.
var ErrNoSwitch = errors.New("no connection to the bridge")
