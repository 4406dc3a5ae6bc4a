package datapath

import (
	"fmt"

	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/policy"
)

// acquire makes the inventory keep members for the sets, and classes apart by
// the port names, that a change brings. After an error some of the sets may have
// been acquired.
func (d *Datapath) acquire(delta policy.Delta) error {
	for _, s := range delta.PutSets {
		key := inventory.SetKey{Module: s.Key.Module, Name: s.Key.Name}
		if err := d.inv.AcquireSet(key, s.Spec); err != nil {
			return fmt.Errorf("set %q of module %q: %w", s.Key.Name, s.Key.Module, err)
		}
	}
	d.acquirePorts(delta.PutRules, d.inv.AcquirePortName)
	return nil
}

func (d *Datapath) acquirePorts(rules []policy.Rule, acquire func(name string)) {
	for _, r := range rules {
		for _, p := range r.Spec.Ports {
			if p.Name != "" {
				acquire(p.Name)
			}
		}
	}
}

// takeBack gives the inventory the sets that it had before. Nothing else knows
// of the change yet.
func (d *Datapath) takeBack(before policy.Delta) {
	for _, s := range before.PutSets {
		_ = d.inv.UpdateSet(s.Key, s.Spec) // it was accepted before
	}
	for _, k := range before.DeleteSets {
		d.inv.ReleaseSet(k)
	}
	// What the inventory says now is what it said before the change, whose
	// consequences nobody has followed.
	d.follow(d.inv.Flush())
}

func (d *Datapath) release(delta policy.Delta) {
	for _, k := range delta.DeleteSets {
		d.inv.ReleaseSet(k)
	}
}
