package attach

import "github.com/sluice-net/sluice/host/hostnet"

// round is what one Reconcile knows of the whole node, so that it need not ask for each Pod what the kernel answers for
// all. What somebody changes while it goes on is found by the next.
type round struct {
	look *hostnet.Look
	// quiet are the features of Pods' ends in which nothing was on that must be off, by the
	// veth's index: those of the round before, and of this one.
	before, quiet map[int]hostnet.FeatureBits
}

// begin looks at the node.
func (a *Attacher) begin() (*round, error) {
	look, err := a.opts.Host.LookAt(a.gatewayIndex(), a.mode.dropAtIngress)
	if err != nil {
		return nil, err
	}
	r := &round{look: look, before: a.quiet, quiet: map[int]hostnet.FeatureBits{}}
	a.quiet = r.quiet
	return r, nil
}

// inPlace says that routes and neighbours of a Pod are as they must be. Without a round nothing is known.
func (r *round) inPlace(a *Attacher, m *member) bool {
	at := &m.Attachment
	return r != nil && !m.waiting && a.opts.Host.InPlace(r.look, at.undo.Routes, a.move(at, at.VethIndex), at.Addresses, at.MAC)
}

// drops says that the kernel drops what a veth brings.
func (r *round) drops(veth string) bool { return r != nil && r.look.Drops(veth) }

// offloadQuiet says that the features of a Pod's end are those in which nothing was found.
func (r *round) offloadQuiet(at *Attachment) (bool, error) {
	if r == nil {
		return false, nil
	}
	bits, err := hostnet.Features(at.Netns, at.IfName)
	if err != nil {
		return false, err
	}
	r.quiet[at.VethIndex] = bits
	was, known := r.before[at.VethIndex]
	return known && was == bits, nil
}

// offloadLoud forgets the features, as something had to be turned off.
func (r *round) offloadLoud(at *Attachment) {
	if r != nil {
		delete(r.quiet, at.VethIndex)
	}
}
