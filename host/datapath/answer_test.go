package datapath_test

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/refuse"
)

// A UDP packet from 10.0.0.1 to 10.0.1.2, without its MAC addresses.
const udpPacket = "080045000021000040003f1126ca0a0000010a0001029c400035000d367f776861743f"

func TestAnswersGoBackWhereThePacketCameFrom(t *testing.T) {
	dp := datapath.New(datapath.Options{Inventory: inventory.New(), Logger: slog.New(slog.DiscardHandler)})
	packet, err := hex.DecodeString(udpPacket)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.HardwareAddr{2, 1, 0, 0, 0, 11}, net.HardwareAddr{2, 1, 0, 0, 0, 12}
	event := func(port uint32, to, from net.HardwareAddr) datapath.Event {
		return datapath.Event{Kind: datapath.KindRefuse, InPort: port, Frame: append(append(append([]byte(nil), to...), from...), packet...)}
	}
	if _, _, err := dp.Answer(event(11, gatewayMAC, near)); !errors.Is(err, refuse.ErrSilence) {
		t.Errorf("without a gateway: %v", err)
	}
	dp.SetGateway(datapath.Gateway{OFPort: gatewayPort, MAC: gatewayMAC})
	for port, mac := range map[uint32]net.HardwareAddr{11: near, 12: far} {
		dp.PutPod(datapath.LocalPod{Namespace: "x", Name: mac.String(), OFPort: port, MAC: mac, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(port)})}})
	}
	for _, c := range []struct {
		name       string
		event      datapath.Event
		to, answer net.HardwareAddr // MAC addresses of the answer: whom to, whom from
	}{
		{"a Pod to the outside", event(11, gatewayMAC, near), near, gatewayMAC},
		// The pipeline has rewritten both addresses by then.
		{"a Pod to a Pod", event(11, far, gatewayMAC), near, gatewayMAC},
		{"the outside to a Pod", event(gatewayPort, far, gatewayMAC), gatewayMAC, far},
	} {
		out, kind, err := dp.Answer(c.event)
		if err != nil || kind != refuse.ICMPv4 {
			t.Errorf("%s: %s, %v", c.name, kind, err)
			continue
		}
		if out.Actions != of.Do(of.Output(c.event.InPort)) || out.InPort != 0 {
			t.Errorf("%s: answered by %v from port %d", c.name, out.Actions, out.InPort)
		}
		if got, from := net.HardwareAddr(out.Data[:6]), net.HardwareAddr(out.Data[6:12]); got.String() != c.to.String() || from.String() != c.answer.String() {
			t.Errorf("%s: answered to %s from %s, want %s from %s", c.name, got, from, c.to, c.answer)
		}
	}
	dp.DeletePod("x", near.String())
	for name, e := range map[string]datapath.Event{
		"a Pod that is gone": event(11, gatewayMAC, near),
		"no frame":           {Kind: datapath.KindRefuse, InPort: 12},
		"a broadcast":        event(12, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, far),
	} {
		if out, _, err := dp.Answer(e); !errors.Is(err, refuse.ErrSilence) {
			t.Errorf("%s: answered by %x, %v", name, out.Data, err)
		}
	}
}

func TestReadEventBelievesOwnFlowsOnly(t *testing.T) {
	ours := of.PacketIn{Cookie: 0x51 << 56, UserData: []byte{byte(datapath.KindLog), 2}, InPort: 7}
	if e, err := datapath.ReadEvent(ours); err != nil || e.Kind != datapath.KindLog || e.Denied != 2 || e.InPort != 7 {
		t.Errorf("%+v, %v", e, err)
	}
	for name, p := range map[string]of.PacketIn{
		"somebody's flow": {Cookie: 5, UserData: ours.UserData},
		"no userdata":     {Cookie: ours.Cookie},
		"no flow":         {Cookie: ^uint64(0), UserData: ours.UserData},
	} {
		if e, err := datapath.ReadEvent(p); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
