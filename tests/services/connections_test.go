package services

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

// Connections that a Pod opens and ends, one after the other: to a Pod, and to the
// same Pod through a Service of so many endpoints. Up to 32, the datapath hashes;
// with more, ovs-vswitchd does it for each.
func BenchmarkConnections(b *testing.B) {
	r := newRig(b, 2)
	for port := range 40 {
		r.listen(1, uint16(8080+port))
	}
	direct := netip.AddrPortFrom(r.Pods[1].Addresses[0], 8080)
	measure := func(name string, to netip.AddrPort) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c, err := r.dial(0, "tcp", to)
				if err != nil {
					b.Fatal(err)
				}
				c.Close()
			}
		})
	}
	measure("Pod", direct)
	for name, n := range map[string]int{"1 endpoint": 1, "10 endpoints": 10, "32 endpoints": 32, "33 endpoints": 33} {
		s := r.service(abi.TCP, 0)
		for i := range n {
			s.Backends = append(s.Backends, netip.AddrPortFrom(r.Pods[1].Addresses[0], uint16(8080+i)))
		}
		r.put(s)
		measure(name, s.Frontends[0].Address)
		measure("Pod", direct)
	}
}
