package services

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/tests/nettest"
)

// A TCP connection stays with its backend when that is taken out, as with
// kube-proxy; a UDP client goes to another one.
func TestARemovedEndpoint(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family, 1)
		r.put(s)
		c, err := r.dial(0, network, s.Frontends[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(when, want string) {
			t.Helper()
			for range 3 {
				if who, _, err := c.ask(10); err != nil || who != want {
					t.Errorf("%s: answered by %q, %v; want %s", when, who, err, want)
				}
			}
		}
		expect("at first", "p1")
		s.Backends = r.service(protocols[network], family, 1, 2).Backends
		r.put(s)
		expect("with one more", "p1")
		s.Backends = s.Backends[1:]
		r.put(s)
		after := map[string]string{"tcp": "p1", "udp": "p2"}[network]
		expect("removed", after)
		if who, _, err := r.ask(0, network, s.Frontends[0].Address); err != nil || who != "p2" {
			t.Errorf("a new client: answered by %q, %v; want p2", who, err)
		}
		s.Backends = nil
		r.put(s)
		if network == "tcp" {
			expect("without endpoints", "p1")
		} else if _, _, err := c.ask(10); err == nil {
			t.Error("a UDP client is still answered when there is no endpoint")
		}
		s.Backends = r.service(protocols[network], family, 2).Backends
		r.put(s)
		if network == "udp" {
			c.Close()
			if c, err = r.dial(0, network, s.Frontends[0].Address); err != nil {
				t.Fatal(err)
			}
			expect("with an endpoint again", "p2")
		}
	})
}

// What a Pod opened before the bridge balanced goes on to whom it was opened to:
// kube-proxy's part of the world, here the node itself.
func TestConnectionsOfBeforeStayAtTheGateway(t *testing.T) {
	r := newRig(t, 2)
	r.listen(1, 8080)
	for family := range 2 {
		nettest.Run(r.t, "ip", "-n", r.NetNS, "addr", "add", nettest.Single(vips[family]), "dev", "lo")
	}
	r.serve(r.NetNS, "node", 80)
	for family := range 2 {
		s := r.service(abi.TCP, family, 1)
		before, err := r.dial(0, "tcp", s.Frontends[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		r.put(s)
		if who, _, err := before.ask(10); err != nil || who != "node" {
			t.Errorf("a connection of before: answered by %q, %v; want the node", who, err)
		}
		if who, _, err := r.ask(0, "tcp", s.Frontends[0].Address); err != nil || who != "p1" {
			t.Errorf("a new connection: answered by %q, %v; want p1", who, err)
		}
		// So does what is sent to a port that is none of the Service's.
		other := netip.AddrPortFrom(vips[family], 81)
		r.dp.DeleteService(s.Name)
		s.Frontends[0].Address = other
		r.put(s)
		if who, _, err := r.ask(0, "tcp", netip.AddrPortFrom(vips[family], 80)); err != nil || who != "node" {
			t.Errorf("to another port: answered by %q, %v; want the node", who, err)
		}
	}
}

func TestSourcesMayUseAFrontend(t *testing.T) {
	r := newRig(t, 3)
	r.listen(2, 8080)
	for family := range 2 {
		s := r.service(abi.TCP, family, 2)
		s.Frontends[0].Sources = []netip.Prefix{netip.PrefixFrom(r.Pods[0].Addresses[family], r.Pods[0].Addresses[family].BitLen()), netip.MustParsePrefix([]string{"172.16.0.1/12", "fdaa::1/32"}[family])}
		s.Frontends = append(s.Frontends, datapath.Frontend{Address: netip.AddrPortFrom(vips[family].Next(), 80)})
		r.put(s)
		for client, allowed := range []bool{true, false} {
			if _, _, err := r.ask(client, "tcp", s.Frontends[0].Address); (err == nil) != allowed {
				t.Errorf("Pod %d: %v, allowed %t", client, err, allowed)
			}
			if _, _, err := r.ask(client, "tcp", s.Frontends[1].Address); err != nil {
				t.Errorf("Pod %d at the frontend for everybody: %v", client, err)
			}
		}
	}
}

func TestARestartWritesNothingAndRepairsWhatIsWrong(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	all := []datapath.ServicePort{
		r.service(abi.TCP, 0, 1, 2), r.service(abi.TCP, 1, 1), r.service(abi.UDP, 0), r.service(abi.SCTP, 0, 2), r.service(abi.UDP, 1, 1, 2),
	}
	all[4].Affinity = time.Minute
	many := r.service(abi.TCP, 0)
	many.Name, many.Frontends[0].Address = "x/many", netip.AddrPortFrom(vips[0], 90)
	many.Backends = addresses(2000)
	all = append(all, many)
	fill := func(dp *datapath.Datapath) {
		for _, s := range all {
			r.must(dp.PutService(s))
		}
	}
	fill(r.dp)
	r.realise()
	fresh := r.freshDatapath()
	r.must(fresh.Connect(t.Context(), r.conn))
	fill(fresh)
	fresh.Refresh()
	if n, err := fresh.Realise(t.Context()); err != nil || n != 0 {
		t.Errorf("a restart wrote %d changes, %v", n, err)
	}
	r.OVS.OFCtl(nettest.Bridge, "del-groups") // takes the flows with it that use them
	wrong, err := fresh.Repair(t.Context())
	if err != nil || wrong < 6 {
		t.Errorf("the patrol found %d things to be wrong, %v", wrong, err)
	}
	if n, err := fresh.Repair(t.Context()); err != nil || n != 0 {
		t.Errorf("the patrol found %d things to be wrong after it had repaired them, %v", n, err)
	}
	if _, _, err := r.ask(0, "tcp", all[0].Frontends[0].Address); err != nil {
		t.Error(err)
	}
}

// addresses are n endpoints that are nobody's.
func addresses(n int) (out []netip.AddrPort) {
	for i := range n {
		out = append(out, netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 8080))
	}
	return out
}
