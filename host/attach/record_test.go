package attach

import (
	"maps"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/tests/nettest"
)

func exampleAttachment() *Attachment {
	return &Attachment{
		Namespace: "shop", Name: "web", UID: "u1", Network: "podnet", ContainerID: "c1", Netns: "/run/netns/x", IfName: "eth0",
		Veth: "veth1", VethIndex: 7, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, MTU: 1400,
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("fd00:1::2")},
		undo: undo{
			Routes:  []hostnet.Route{{Destination: netip.MustParsePrefix("10.1.0.2/32"), Table: 254, Scope: 254, Picked: netip.MustParseAddr("10.1.0.1")}},
			Proxies: []netip.Addr{netip.MustParseAddr("fd00:1::1")}, Offload: []string{"tx-checksum-ip-generic"},
		},
	}
}

func TestRecordSurvives(t *testing.T) {
	want := exampleAttachment()
	ids, err := want.record()
	if err != nil {
		t.Fatal(err)
	}
	if !isRecord(ids) || isRecord(map[string]string{"iface-id": "x"}) {
		t.Error("a record is not told from other external_ids")
	}
	got, err := readRecord("veth1", ids)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v (%v), wrote %+v", got, err, want)
	}
}

func TestDamagedRecordNamesTheKey(t *testing.T) {
	good, err := exampleAttachment().record()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{keyIndex, keyMTU, keyMAC, keyAddresses, keyUndo} {
		ids := maps.Clone(good)
		ids[key] = "?"
		if _, err := readRecord("veth1", ids); err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "veth1") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestPodWithADamagedRecordIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.serve()
	one, two := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "one", one, w.primary("c1", one, "4")))
	w.must(w.sluice("ADD", "c2", "two", two, w.primary("c2", two, "4")))
	veth := w.a.Attachments()[0].Veth
	w.ovs.Run("ovs-vsctl", "set", "interface", veth, "external_ids:"+keyMTU+"=much")
	w.until("the change has been seen", func() bool {
		p, _, err := w.db.Port(w.ctx, veth)
		return err == nil && p.ExternalIDs[keyMTU] == "much"
	})
	list, err := w.newAttacher().Restore(w.ctx)
	if err != nil || len(list) != 1 || list[0].Name != "two" {
		t.Errorf("restored %+v, %v", list, err)
	}
}
