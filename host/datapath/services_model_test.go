package datapath_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/flowsim"
)

var serviceProtocols = []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP}

// genService is a port of a Service whose backends are Pods, nodes and others. Names
// and addresses are few, so that Services change rather than pile up; protocol
// and family come from the name, so that no two have the same frontend.
func (w *world) genService(t *rapid.T) datapath.ServicePort {
	n := rapid.IntRange(0, 5).Draw(t, "service")
	v6 := n%2 == 1
	vip := netip.MustParseAddr([]string{"10.96.0.1", "fd96::1"}[n%2])
	s := datapath.ServicePort{Name: fmt.Sprintf("x/s%d", n), Protocol: serviceProtocols[n/2]}
	for i := range rapid.IntRange(1, 2).Draw(t, "frontends") {
		f := datapath.Frontend{Address: netip.AddrPortFrom(vip, uint16(80+i))}
		if rapid.IntRange(0, 4).Draw(t, "limited") == 0 {
			f.Sources = []netip.Prefix{netip.MustParsePrefix([]string{"10.0.0.0/24", "fd00::/112"}[n%2])}
		}
		s.Frontends = append(s.Frontends, f)
	}
	ends := slices.Concat(outside, otherNode, nodeAddrs)
	for _, key := range slices.Sorted(maps.Keys(w.pods)) {
		ends = append(ends, w.pods[key].Addresses...)
	}
	// Few backends, enough for a second group, or enough for groups of groups.
	ports := rapid.SampledFrom([]uint16{1, 1, 1, 1, 7, 80}).Draw(t, "ports")
	for _, a := range ends {
		if a.Is6() != v6 || rapid.IntRange(0, 2).Draw(t, "backend") != 0 {
			continue
		}
		first := rapid.SampledFrom([]uint16{80, 81, 8080, 53}).Draw(t, "target")
		for i := range ports {
			s.Backends = append(s.Backends, netip.AddrPortFrom(a, first+i))
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "affinity") == 0 {
		s.Affinity = time.Hour
	}
	if rapid.Bool().Draw(t, "drop") {
		s.WhenEmpty = datapath.DropWhenEmpty
	}
	return s
}

// Connections of local Pods to Services: they reach a backend exactly if the model
// allows one between the Pod and that backend, everything after the first packet goes the
// same way, and what comes back comes from the Service.
func TestConnectionsThroughServicesDoWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genWorld(t)
		services := map[string]datapath.ServicePort{}
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			s := w.genService(t)
			if rapid.IntRange(0, 5).Draw(t, "delete") == 0 {
				w.dp.DeleteService(s.Name)
				delete(services, s.Name)
			} else if err := w.dp.PutService(s); err != nil {
				t.Fatal(err)
			} else {
				services[s.Name] = s
			}
			if rapid.Bool().Draw(t, "write") {
				w.realise(t)
			}
		}
		w.realise(t)
		if n := w.realise(t); n != 0 {
			t.Fatalf("nothing changed and %d changes were written", n)
		}
		for _, key := range slices.Sorted(maps.Keys(w.local)) {
			for _, name := range slices.Sorted(maps.Keys(services)) {
				w.checkService(t, key, services[name])
			}
		}
		fresh := newWorldOn(t, w.sw)
		for _, s := range services {
			if err := fresh.dp.PutService(s); err != nil {
				t.Fatal(err)
			}
		}
		before := w.sw.Written
		fresh.learn(t, w)
		if n := w.sw.Written - before; n != 0 {
			t.Fatalf("a restart wrote %d changes", n)
		}
	})
}

func (w *world) checkService(t fataler, client string, s datapath.ServicePort) {
	v6 := s.Frontends[0].Address.Addr().Is6()
	source := w.pods[client].Addresses[0]
	if v6 {
		source = w.pods[client].Addresses[1]
	}
	var first netip.AddrPort
	for i, f := range s.Frontends {
		for n := range 4 {
			open := flowsim.Packet{
				InPort: w.local[client], Source: source, Destination: f.Address.Addr(), Protocol: uint8(s.Protocol),
				SourcePort: w.freePort(s.Name, i, n), DestPort: f.Address.Port(), TCPFlags: 2, Stateful: true,
			}
			to := w.checkConnection(t, s, f, open)
			if s.Affinity > 0 && to.IsValid() {
				if first.IsValid() && to != first {
					t.Fatalf("service %+v: %s was given %s and then %s", s, source, first, to)
				}
				first = to
			}
		}
	}
}

// freePort is a source port that no other connection of the same Pod has, which might
// be given the same backend.
func (w *world) freePort(service string, frontend, n int) uint16 {
	return 40000 + uint16(service[len(service)-1]-'0')*100 + uint16(frontend*10+n)
}

// checkConnection opens one and says whom it was given, if anybody.
func (w *world) checkConnection(t fataler, s datapath.ServicePort, f datapath.Frontend, open flowsim.Packet) (to netip.AddrPort) {
	before := len(w.sw.Tracked(datapath.ServiceZone))
	out := w.run(t, open)
	admitted := f.Sources == nil || slices.ContainsFunc(f.Sources, func(p netip.Prefix) bool { return p.Contains(open.Source) })
	chosen := w.sw.Tracked(datapath.ServiceZone)[before:]
	if len(s.Backends) == 0 || !admitted {
		refused := slices.ContainsFunc(out.Sent, func(p flowsim.Sent) bool { return p.UserData[0] == byte(datapath.KindUnreachable) })
		if want := admitted && s.WhenEmpty == datapath.RefuseWhenEmpty; out.Port != 0 || len(chosen) > 0 || refused != want {
			t.Fatalf("service %+v, packet %+v: left by port %d, refused %t; want that it does not leave, and %t", s, open, out.Port, refused, want)
		}
		return to
	}
	if len(chosen) != 1 || !slices.Contains(s.Backends, chosen[0].To) {
		t.Fatalf("service %+v, packet %+v was given %v by path %v", s, open, chosen, out.Path)
	}
	to = chosen[0].To
	portOf := w.ports()
	model := policy.Packet{Source: open.Source, Destination: to.Addr(), Protocol: s.Protocol, Port: to.Port(), ThroughService: true}
	verdict := policy.Evaluate(w.view(), model)
	want := allowedHere(verdict, portOf, model)
	if passed := out.Port != 0; passed != want {
		t.Fatalf("service %+v, packet %+v to %s: passed %t by path %v, the model says %t:\negress  %+v\ningress %+v\n%s",
			s, open, to, passed, out.Path, want, verdict.Egress, verdict.Ingress, w.dump())
	}
	if !want {
		return to
	}
	// What the backend sees, whom it answers, and what the client sees.
	itself := to.Addr() == open.Source
	from := open.Source
	if itself {
		from = datapath.HairpinAddresses()[map[bool]int{true: 1}[from.Is6()]]
	}
	arrival := uint32(gatewayPort)
	if n := portOf[to.Addr()]; n != 0 {
		arrival = n
	}
	reply := flowsim.Packet{
		InPort: arrival, Source: to.Addr(), Destination: from, Protocol: open.Protocol,
		SourcePort: to.Port(), DestPort: open.SourcePort, TCPFlags: 0x12, Stateful: true,
	}
	later := open
	later.TCPFlags = 0x10
	for _, out := range []flowsim.Outcome{out, w.run(t, later)} {
		if out.Port != arrival || out.Source != from || out.Destination != to.Addr() || out.DestPort != to.Port() {
			t.Fatalf("service %+v, packet %+v left by port %d as %s -> %s:%d; want port %d, %s -> %s",
				s, open, out.Port, out.Source, out.Destination, out.DestPort, arrival, from, to)
		}
	}
	back := w.run(t, reply)
	if back.Port != open.InPort || back.Source != open.Destination || back.SourcePort != open.DestPort || back.Destination != open.Source {
		t.Fatalf("service %+v, reply %+v left by port %d as %s:%d -> %s by path %v; want port %d, %s:%d -> %s",
			s, reply, back.Port, back.Source, back.SourcePort, back.Destination, back.Path, open.InPort, open.Destination, open.DestPort, open.Source)
	}
	return to
}

func (w *world) run(t fataler, p flowsim.Packet) flowsim.Outcome {
	out, err := w.sw.Run(p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}
