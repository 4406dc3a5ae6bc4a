package attach

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/host/hostnet"
)

// Running is a Pod of this node that runs, as the API knows it.
type Running struct {
	Namespace, Name, UID string
	Addresses            []netip.Addr
}

// Adoption is how adopting one Pod went.
type Adoption struct {
	Already     bool // it was attached
	Connections int  // that its sockets showed
	Kept        int  // of these, that policy allows and that go on
	// Handover is the time in which the Pod's frames took both ways or neither: from the first step that touched them to
	// the last.
	Handover time.Duration
}

// adoptedPrefix begins what stands for the container id of a Pod that was adopted, which nobody told. It has a character
// that no real one has.
const adoptedPrefix = "adopted:"

func adoptedID(pod podKey) string { return adoptedPrefix + pod.String() }

// Adopted says that the Pod was running before Sluice attached it.
func (a *Attachment) Adopted() bool { return strings.HasPrefix(a.ContainerID, adoptedPrefix) }

// Adopt attaches a Pod that runs already, without a moment in which its packets go nowhere: what takes them over is ready
// before what had them lets go. Connections that are open go on if policy allows them.
//
// A Pod that is attached is left alone. Errors are those of Add.
func (a *Attacher) Adopt(ctx context.Context, pod Running) (Adoption, error) {
	key := podKey{pod.Namespace, pod.Name}
	leave, err := a.queue.enter(ctx, key)
	if err != nil {
		return Adoption{}, fmt.Errorf("wait for other requests about Pod %s: %w", key, err)
	}
	defer leave()
	if err := a.inService(); err != nil {
		return Adoption{}, err
	}
	if m := a.members.get(key); m != nil {
		if m.ready {
			return Adoption{Already: true}, nil
		}
		return Adoption{}, fmt.Errorf("adopt Pod %s: it is being attached or detached", key)
	}
	at, err := a.find(ctx, pod)
	if err != nil {
		return Adoption{}, err
	}
	var result Adoption
	live := a.adopting(at, &result)
	if err := a.run(ctx, at, live); err != nil {
		return Adoption{}, err
	}
	a.finish(at)
	a.opts.Logger.Info("Pod adopted", "pod", key.String(), "port", at.Veth, "ofport", at.OFPort, "addresses", at.Addresses,
		"connections", result.Connections, "kept", result.Kept, "handover", result.Handover)
	return result, nil
}

// find reads, and changes nothing, where a running Pod is.
func (a *Attacher) find(ctx context.Context, pod Running) (*Attachment, error) {
	key := podKey{pod.Namespace, pod.Name}
	end, err := a.opts.Host.FindPod(pod.Addresses)
	if err != nil {
		return nil, fmt.Errorf("adopt Pod %s: %w", key, err)
	}
	at, err := a.lookup(ctx, &target{
		pod: key, uid: pod.UID, containerID: adoptedID(key), netns: end.Netns, ifName: end.IfName,
	})
	if err != nil {
		return nil, err
	}
	// What the interface has is what the Pod sends from. That it has what the API says makes sure that it is the Pod's.
	for _, want := range pod.Addresses {
		if !slices.Contains(at.Addresses, want) {
			return nil, fmt.Errorf("adopt Pod %s: %s in %s, behind %s, has the addresses %v and not %s: its status or the node's routes are out of date",
				key, at.IfName, at.Netns, at.Veth, at.Addresses, want)
		}
	}
	return at, nil
}

// adopting is the order for a Pod that runs. The steps are those of Add, and their records and opposites are the same; so
// all that steps says about a crash holds here too.
//
// Userspace datapath: until its flows are there the bridge drops its copies of the Pod's frames, and the kernel routes the
// originals. Then both do, for the moment until the kernel drops: a frame may arrive twice, but none is lost.
// Kernel datapath: the port takes the frames over, so the flows for what it sends are written first, for the number that the
// port will have. Those for what is sent to it are written when the port is there, and are the first to go: until then the
// bridge leads its neighbours' packets to the node, and that to the veth.
func (a *Attacher) adopting(at *Attachment, result *Adoption) []step {
	p := a.parts(at)
	var began time.Time
	flows := p.flows
	flows.do = func(ctx context.Context) error {
		began = time.Now()
		return a.adoptFlows(ctx, at, result, a.mode.takesOver)
	}
	routes := p.routes
	routes.do = func(ctx context.Context) error {
		err := p.routes.do(ctx)
		result.Handover = time.Since(began)
		if err != nil {
			return err
		}
		// Again, for connections that were opened the old way meanwhile.
		return a.adoptFlows(ctx, at, result, false)
	}
	around, again := a.neighbours(at)
	if !a.mode.takesOver {
		return []step{p.claim, p.fit, again, p.port, p.offload, p.neighbour, p.proxies, flows, p.drop, routes, around}
	}
	n := a.numbered(at, p)
	inward := step{
		name:  "install the flows for what is sent to it",
		flows: true,
		do:    func(ctx context.Context) error { return a.adoptFlows(ctx, at, result, false) },
		undo:  func(ctx context.Context) error { return a.opts.Node.ReleasePod(ctx, at.Namespace, at.Name) },
	}
	return []step{p.claim, p.fit, n.number, flows, again, n.port, p.offload, p.neighbour, p.proxies, inward, routes, around}
}

func (a *Attacher) adoptFlows(ctx context.Context, at *Attachment, result *Adoption, sendsOnly bool) error {
	pod := at.Pod()
	pod.SendsOnly = sendsOnly
	connections, err := hostnet.Connections(at.Netns, at.Addresses)
	if err != nil {
		return err
	}
	result.Connections = max(result.Connections, len(connections))
	kept, err := a.opts.Node.AdoptPod(ctx, pod, connections)
	result.Kept = max(result.Kept, kept)
	return err
}

// neighbours is the step that tells a running Pod which hardware address its router has now: the gateway's, or that of the
// node's end of the veth. On the way there the Pod would find out without harm, as the bridge takes frames for any address;
// on the way back the kernel takes only its own. There it is told again when the port has gone: until then the bridge may
// have answered a question of the Pod.
func (a *Attacher) neighbours(at *Attachment) (around, again step) {
	readdress := func(toGateway bool) error {
		return a.ifAlive(at, func() error {
			veth, err := a.opts.Host.HardwareAddr(at.VethIndex)
			if err != nil {
				return err
			}
			from, to := veth, a.opts.Gateway.MAC
			if !toGateway {
				from, to = to, from
			}
			_, err = hostnet.Readdress(at.Netns, at.IfName, from, to)
			return err
		})
	}
	back := func(context.Context) error { return readdress(false) }
	around = step{
		name: "tell it the address of its router",
		do:   func(context.Context) error { return readdress(true) },
		undo: back,
	}
	again = step{
		name: "tell it the address of its router once more",
		do:   func(context.Context) error { return nil },
		undo: back,
	}
	return around, again
}
