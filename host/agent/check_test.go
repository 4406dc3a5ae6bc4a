package agent

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// CHECK names each of the things that can be off after ADD. Nothing repairs
// them meanwhile, as the patrols do not run here; at the end Reconcile and the
// comparison of flows do, and CHECK is content again.
func TestCheckNamesEachFault(t *testing.T) {
	w := newWorld(t)
	p := w.pod("web")
	w.start()
	w.must(w.cni("ADD", p))
	w.must(w.cni("CHECK", p))
	vsctl := func(args ...string) func() { return func() { w.ovs.Run("ovs-vsctl", args...) } }
	inNode := func(text string) func() { return func() { nettest.Enter(t, w.ns, strings.Fields(text)...) } }
	for _, c := range []struct {
		name   string
		breaks func()
		want   string // regular expression
	}{
		{"port gone", vsctl("del-port", p.veth), `bridge br-sluice has no port veth2`},
		{"ofport changed", vsctl("set", "interface", p.veth, "ofport_request=99"), `port veth2 has number 99 instead of 16`},
		{"external_ids damaged", vsctl("set", "interface", p.veth, "external_ids:sluice-mac=x"), `external_ids of port veth2 were changed: sluice-mac`},
		{"flow deleted", func() {
			w.ovs.OFCtl("br-sluice", "del-flows", "table=0,ip,nw_src=10.1.0.2")
		}, `flow .*nw_src=10\.1\.0\.2 .* is not in the switch`},
		{"flow changed", func() {
			w.ovs.OFCtl("br-sluice", "mod-flows", "table=0,ip,nw_src=10.1.0.2,actions=drop")
		}, `flow .*nw_src=10\.1\.0\.2 .* was changed to .*drop`},
		{"route deleted", inNode("ip route del 10.1.0.2 dev sluice-gw0"), `route 10\.1\.0\.2/32.* is gone`},
		{"route to the wrong device", inNode("ip -6 route replace fd00:1::2 dev up0"), `route fd00:1::2/128.* does not lead through sluice-gw0 but through .*up0`},
		{"neighbour gone", inNode("ip neigh del 10.1.0.2 dev sluice-gw0"), `10\.1\.0\.2 is no permanent neighbour of sluice-gw0`},
		{"neighbour with a wrong address", inNode("ip -6 neigh replace fd00:1::2 lladdr 02:00:00:00:00:99 dev sluice-gw0 nud permanent"), `fd00:1::2 is no permanent neighbour of sluice-gw0`},
		{"gateway down", inNode("ip link set sluice-gw0 down"), `the gateway sluice-gw0 is down`},
		{"userspace datapath: nftables chain gone", inNode("nft delete table netdev sluice"), `routes frames from veth2 past the bridge`},
		{"userspace datapath: checksum offload on again", func() { nettest.Enter(t, p.ns, "ethtool", "-K", "eth0", "tx", "on") }, `checksum offload is on again at eth0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.name, "userspace") && ovstest.Datapath() != DatapathNetdev {
				t.Skip("the kernel datapath needs nothing of the kind")
			}
			c.breaks()
			message := ""
			// The database tells of changes a moment later.
			soon(t, func() bool {
				r := w.cni("CHECK", p)
				if r.Error == nil {
					return false
				}
				message = r.Error.Msg
				return r.Error.Code == attach.CodeCheck && regexp.MustCompile(c.want).MatchString(message)
			}, func() string { return "CHECK says " + strconv.Quote(message) + ", want " + c.want })
			t.Log(message)
			if _, err := w.a.attacher.Reconcile(w.ctx); err != nil {
				t.Fatal(err)
			}
			if err := w.a.engine.do(w.ctx, task{change: func() error { _, err := w.a.engine.repair(w.ctx); return err }}); err != nil {
				t.Fatal(err)
			}
			if r := w.cni("CHECK", p); r.Error != nil {
				t.Errorf("after the repair: %v", r.Error)
			}
		})
	}
}
