package agent

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// A connection that was open before its Pod came onto the bridge is picked up
// by conntrack in the middle, with the direction of the first packet that it
// sees. If the server speaks first it looks like a connection to the client's
// port, which is judged by the wrong rules.
//
// A window is a flow for one such connection: packets of exactly its addresses
// and ports, from server to client, of which conntrack does not say that they
// belong to a connection, pass as the replies that they are, and are not
// recorded. The client's first packet, be it an acknowledgement, goes through
// policy like that of any other connection and is recorded, in the right
// direction; from then on the server's packets are replies, and the window
// matches nothing. Only connections that policy allows get a window, and they lose
// it when it does so no longer.
//
// The kernel's conntrack begins no connection with a FIN or a reset: it calls
// them invalid (linux, nf_conntrack_proto_tcp.c, tcp_conntracks). So that a
// connection at rest can end, TCP has a second flow, for what is invalid from
// client to server.
//
// Windows live beside the datapath's flows, with the Pod's port number in their
// cookie, and nowhere else: an agent that comes back finds them in the switch.

const (
	// windowPriority is above all that the datapath has in the table Orient.
	windowPriority = 1000
	// maxWindows bounds the connections of one Pod that get windows.
	maxWindows = 20000
	// windowsEvery is how often windows are compared with sockets and policy.
	windowsEvery = 5 * time.Second
)

// States as OVS numbers them (ovs-fields(7), ct_state).
const (
	ctEstablished = 0x02
	ctRelated     = 0x04
	ctReply       = 0x08
	ctInvalid     = 0x10
	ctTracked     = 0x20
)

func windowCookie(ofport uint32) uint64 { return asideMark<<56 | uint64(ofport) }

func windowsOf(ofport uint32) openflow.FlowFilter {
	return openflow.FlowFilter{Cookie: windowCookie(ofport), CookieMask: ^uint64(0)}
}

// windows are the flows for a connection of the Pod on this port.
func windows(c hostnet.Connection, ofport uint32) []openflow.Flow {
	unknown := openflow.CTState.Masked(ctTracked, ctTracked|ctEstablished|ctRelated|ctReply)
	list := []openflow.Flow{window(c.Protocol, c.Server, c.Client, unknown, ofport)}
	if abi.Protocol(c.Protocol) == abi.TCP {
		invalid := openflow.CTState.Masked(ctTracked|ctInvalid, ctTracked|ctInvalid)
		list = append(list, window(c.Protocol, c.Client, c.Server, invalid, ofport))
	}
	return list
}

func window(protocol uint8, from, to netip.AddrPort, state openflow.Clause, ofport uint32) openflow.Flow {
	clauses := []openflow.Clause{state, openflow.IPProto.Is(uint64(protocol))}
	if from.Addr().Is4() {
		clauses = append(clauses, openflow.EthType.Is(0x0800), openflow.IPv4Src.Addr(from.Addr()), openflow.IPv4Dst.Addr(to.Addr()))
	} else {
		clauses = append(clauses, openflow.EthType.Is(0x86dd), openflow.IPv6Src.Addr(from.Addr()), openflow.IPv6Dst.Addr(to.Addr()))
	}
	if abi.Protocol(protocol) == abi.TCP {
		clauses = append(clauses, openflow.TCPSrc.Is(uint64(from.Port())), openflow.TCPDst.Is(uint64(to.Port())))
	} else {
		clauses = append(clauses, openflow.UDPSrc.Is(uint64(from.Port())), openflow.UDPDst.Is(uint64(to.Port())))
	}
	return openflow.Flow{
		Table: uint8(datapath.Orient), Priority: windowPriority, Cookie: windowCookie(ofport),
		Match: openflow.MatchOf(clauses...), Goto: uint8(datapath.Output),
	}
}

// AdoptPod opens windows, forgets what conntrack knows of the Pod's addresses
// from an earlier time on the bridge, and installs the Pod's flows.
func (n node) AdoptPod(ctx context.Context, pod attach.Pod, connections []hostnet.Connection) (kept int, err error) {
	if err := n.a.engine.waitReady(ctx); err != nil {
		return 0, err
	}
	if _, err := n.a.source.Pod(ctx, pod.Namespace, pod.Name); err != nil {
		return 0, err
	}
	view, err := n.a.view(ctx)
	if err != nil {
		return 0, err
	}
	before, known := n.a.known(ctx, pod)
	allowed := n.a.allowed(view, connections)
	if err := n.a.openWindows(ctx, pod.OFPort, allowed); err != nil {
		return 0, err
	}
	n.a.seen.add(pod.Namespace, pod.Name)
	if known && before.SendsOnly == pod.SendsOnly {
		return len(allowed), nil
	}
	if !known { // else what conntrack knows is of this time
		if err := n.a.forget(ctx, pod.Addresses); err != nil {
			// What is left of an earlier time are entries whose sequence numbers do
			// not fit; conntrack gives them up by itself.
			n.a.log.Warn("conntrack could not be told to forget a Pod's earlier connections", "pod", pod.Namespace+"/"+pod.Name, "error", err)
		}
	}
	return len(allowed), n.a.engine.AttachPod(ctx, datapath.LocalPod(pod))
}

// known is the Pod as it has flows already, if it has for this port.
func (a *agent) known(ctx context.Context, pod attach.Pod) (before datapath.LocalPod, known bool) {
	_ = a.engine.ask(ctx, func() { // the end of ctx shows in the next step
		for _, p := range a.engine.dp.Pods() {
			if p.Namespace == pod.Namespace && p.Name == pod.Name && p.OFPort == pod.OFPort {
				before, known = p, true
			}
		}
	})
	return before, known
}

func (a *agent) view(ctx context.Context) (v policy.View, err error) {
	err = a.engine.ask(ctx, func() { v = a.engine.view() })
	return v, err
}

// allowed leaves out the connections that policy would not let a client open
// now. What comes from the node itself is always let in (SEMANTICS 17).
func (a *agent) allowed(view policy.View, connections []hostnet.Connection) []hostnet.Connection {
	var out []hostnet.Connection
	for _, c := range connections {
		v := policy.Evaluate(view, policy.Packet{
			Source: c.Client.Addr(), Destination: c.Server.Addr(), Protocol: abi.Protocol(c.Protocol), Port: c.Server.Port(),
		})
		if v.Allowed || a.isNode(c.Client.Addr()) {
			out = append(out, c)
		}
	}
	return out
}

func (a *agent) isNode(addr netip.Addr) bool {
	local, err := a.host.IsLocal(addr)
	return err == nil && local
}

// openWindows adds the windows for connections of the Pod on a port.
func (a *agent) openWindows(ctx context.Context, ofport uint32, connections []hostnet.Connection) error {
	if len(connections) > maxWindows {
		a.log.Warn("a Pod has more open connections than can be kept in their direction", "port", ofport, "connections", len(connections), "limit", maxWindows)
		connections = connections[:maxWindows]
	}
	var mods []openflow.Mod
	for _, c := range connections {
		for _, w := range windows(c, ofport) {
			mods = append(mods, openflow.AddFlow(w))
		}
	}
	if err := a.writeAside(ctx, mods); err != nil {
		return fmt.Errorf("keep the direction of %d connections: %w", len(connections), err)
	}
	return nil
}

// writeAside writes flows beside the datapath's.
func (a *agent) writeAside(ctx context.Context, mods []openflow.Mod) error {
	if len(mods) == 0 {
		return nil
	}
	conn, err := a.bridge(ctx)
	if err != nil {
		return err
	}
	return conn.Apply(ctx, mods)
}

// bridge is the connection to the bridge, or datapath.ErrNoSwitch.
func (a *agent) bridge(ctx context.Context) (conn *openflow.Conn, err error) {
	if err := a.engine.ask(ctx, func() { conn = a.engine.conn }); err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, datapath.ErrNoSwitch
	}
	return conn, nil
}

// closeWindows removes those of the Pod on a port, if it has any. Without a
// bridge there is nothing to remove: they go with it, or watchWindows finds them.
func (a *agent) closeWindows(ctx context.Context, ofport uint32) error {
	conn, err := a.bridge(ctx)
	if err != nil {
		return nil
	}
	return conn.Apply(ctx, []openflow.Mod{openflow.DeleteFlows(windowsOf(ofport))})
}
