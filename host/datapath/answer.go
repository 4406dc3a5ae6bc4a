package datapath

import (
	"fmt"
	"net"

	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/refuse"
)

// ports are whom the ports of the bridge belong to. A value is never changed.
type ports struct {
	gateway Gateway
	pods    map[uint32]net.HardwareAddr
}

// publishPorts renews what Answer looks at.
func (d *Datapath) publishPorts() {
	now := &ports{gateway: d.gateway, pods: make(map[uint32]net.HardwareAddr, len(d.pods))}
	for _, p := range d.pods {
		now.pods[p.OFPort] = p.MAC
	}
	d.ports.Store(now)
}

// Answer is what a refused packet's sender is told: a packet for the bridge to send
// to the port where the refused one came in, past all flows; only if the sender
// asked a Service, it is made an answer of that on the way. The error is
// refuse.ErrSilence if it is to be told nothing. Unlike other methods, this one
// may be called from any goroutine.
func (d *Datapath) Answer(e Event) (of.PacketOut, refuse.Kind, error) {
	now := d.ports.Load()
	if now == nil || len(e.Frame) < 12 {
		return of.PacketOut{}, "", fmt.Errorf("%w: there is no gateway yet, or no frame", refuse.ErrSilence)
	}
	ends := refuse.Ends{From: now.gateway.MAC, To: now.pods[e.InPort]}
	switch {
	case e.InPort == now.gateway.OFPort:
		// The frame bears the MAC address of the Pod that it was for, from which
		// the host expects answers.
		ends = refuse.Ends{From: net.HardwareAddr(e.Frame[:6]), To: now.gateway.MAC}
	case ends.To == nil:
		return of.PacketOut{}, "", fmt.Errorf("%w: port %d is no longer a Pod's", refuse.ErrSilence, e.InPort)
	}
	answer := refuse.Answer
	if e.Kind == KindUnreachable {
		answer = refuse.Unreachable
	}
	data, kind, err := answer(e.Frame, ends)
	if err != nil {
		return of.PacketOut{}, "", err
	}
	actions := of.Do(of.Output(e.InPort))
	if e.Translated {
		actions = of.Do(of.SetField(regOutPort.Is(uint64(e.InPort))), translate(ServiceZone, Output))
	}
	return of.PacketOut{Actions: actions, Data: data}, kind, nil
}
