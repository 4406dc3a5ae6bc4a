package attach

import "github.com/sluice-net/sluice/host/hostnet"

// mirrorRules makes the rules that the primary has for Pods' devices hold for the gateway. changed says that they did no
// longer: that they are copied for the first time does not count.
func (a *Attacher) mirrorRules() (changed bool, err error) {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	if a.retired.Load() {
		return false, nil
	}
	rules, wrote, err := a.opts.Host.MirrorRules(a.mirror())
	first := !a.mirrored
	a.mirrored = a.mirrored || rules > 0
	if err != nil || !wrote {
		return false, err
	}
	a.opts.Logger.Info("the primary's rules about Pods' devices were copied for the gateway", "profile", a.opts.Primary().Name, "rules", rules)
	return !first, nil
}

func (a *Attacher) mirror() hostnet.Mirror {
	p := a.opts.Primary()
	m := hostnet.Mirror{Sources: p.Mirrored, Gateway: a.opts.Gateway.Name}
	if p.Device != "" {
		m.Devices = append(m.Devices, p.Device)
	}
	for _, one := range a.members.all() {
		m.Devices = append(m.Devices, one.Veth)
	}
	return m
}

// mirrorFaults are the same for all Pods, as the gateway's are.
func (a *Attacher) mirrorFaults() ([]error, error) {
	list, err := a.opts.Host.MirrorFaults(a.mirror())
	return asErrors(list), err
}
