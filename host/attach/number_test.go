package attach

import (
	"testing"

	"github.com/sluice-net/sluice/tests/nettest"
)

// The flows are written for the number that is asked for. If ovs-vswitchd gives the port another one, they are written
// again for that.
func TestFlowsFollowTheNumberOfThePort(t *testing.T) {
	w := newWorld(t)
	one, two := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	if _, err := w.a.Add(w.ctx, request("ADD", runtimeConf("c1", "one", one), w.primary("c1", one, "4"))); err != nil {
		t.Fatal(err)
	}
	taken := w.a.Attachments()[0].OFPort
	target, err := parseAdd(request("ADD", runtimeConf("c2", "two", two), w.primary("c2", two, "4")))
	if err != nil {
		t.Fatal(err)
	}
	at, _, err := w.a.makeRoom(w.ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	at.OFPort = taken
	if err := w.a.run(w.ctx, at, w.a.steps(at)); err != nil {
		t.Fatal(err)
	}
	p, _ := w.node.pod("two")
	if p.OFPort == taken || p.OFPort != at.OFPort || w.node.attached != 3 {
		t.Errorf("flows were written %d times, at last for port %d; the port is %d, and %d was taken", w.node.attached, p.OFPort, at.OFPort, taken)
	}
}
