package datapath

import (
	"cmp"
	"slices"

	of "github.com/sluice-net/sluice/host/openflow"
)

// PutPod wires a Pod, or wires it anew.
func (d *Datapath) PutPod(p LocalPod) {
	if old, had := d.pods[p.Key()]; had {
		d.dropPodFlows(old)
	}
	d.pods[p.Key()] = p
	d.publishPorts()
	d.putPodFlows(p)
	d.widen()
	d.inv.Attach(p.Namespace, p.Name, p.Addresses)
}

// DeletePod takes a Pod's flows away.
func (d *Datapath) DeletePod(namespace, name string) {
	key := namespace + "/" + name
	if p, had := d.pods[key]; had {
		d.dropPodFlows(p)
		delete(d.pods, key)
		d.publishPorts()
		d.widen()
	}
	d.inv.Detach(namespace, name)
}

// Pods are the local Pods, by namespace/name.
func (d *Datapath) Pods() []LocalPod {
	out := make([]LocalPod, 0, len(d.pods))
	for _, p := range d.pods {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b LocalPod) int { return cmp.Compare(a.Key(), b.Key()) })
	return out
}

func (d *Datapath) putPodFlows(p LocalPod) {
	if d.gateway.OFPort == 0 {
		return
	}
	for _, f := range d.podFlows(p) {
		d.book.put(f)
	}
}

func (d *Datapath) podFlows(p LocalPod) []of.Flow {
	_, logged := d.logged[p.Namespace]
	flows := podFlows(p, d.gateway, logged)
	if d.narrow(p) {
		flows = append(flows, narrowFlows(p, d.gateway, logged)...)
	}
	return flows
}

func (d *Datapath) dropPodFlows(p LocalPod) {
	if d.gateway.OFPort == 0 {
		return
	}
	for _, f := range d.podFlows(p) {
		// Two Pods may have had the same address for a moment: what is the
		// other's by now stays.
		if e := d.book.entries[f.Key()]; e != nil && e.wanted == f {
			d.book.remove(f.Key())
		}
	}
}
