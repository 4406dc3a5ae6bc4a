package services

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

// A Service with thousands of endpoints works, a change of one of them is one
// message (two, if that changes the weight of its group), and Open vSwitch survives
// to be asked about its groups.
func TestThousandsOfEndpoints(t *testing.T) {
	r := newRig(t, 2)
	r.listen(1, 8080)
	for _, n := range []int{8, 100, 250, 1000, 5000} {
		s := r.service(abi.TCP, 0, 1)
		s.Backends = append(addresses(n), s.Backends...)
		r.put(s)
		s.Backends = s.Backends[1:]
		one := 1
		if n > 256 {
			one = 2 // of groups in a group the outer one may have to know
		}
		if messages := r.put(s); messages < 1 || messages > one {
			t.Errorf("%d endpoints: taking one out is %d messages", n, messages)
		}
		s.Backends = append(s.Backends, netip.MustParseAddrPort("172.31.0.1:8080"))
		if messages := r.put(s); messages < 1 || messages > one {
			t.Errorf("%d endpoints: one more is %d messages", n, messages)
		}
		s.Backends[0] = netip.MustParseAddrPort("172.31.0.2:8080")
		if messages := r.put(s); messages > 2*one+1 {
			t.Errorf("%d endpoints: one that moves is %d messages", n, messages)
		}
		groups, err := r.conn.DumpGroups(t.Context())
		r.must(err)
		buckets := 0
		for _, g := range groups {
			buckets += len(g.Buckets)
		}
		if buckets < n+1 {
			t.Errorf("%d endpoints are %d buckets", n, buckets)
		}
		if n, err := r.dp.Repair(t.Context()); err != nil || n != 0 {
			t.Errorf("the patrol found %d things to be wrong, %v", n, err)
		}
		s.Backends = r.service(abi.TCP, 0, 1).Backends
		r.put(s)
		if who, _, err := r.ask(0, "tcp", s.Frontends[0].Address); err != nil || who != "p1" {
			t.Errorf("answered by %q, %v", who, err)
		}
	}
}
