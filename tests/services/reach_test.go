package services

import (
	"testing"

	"github.com/sluice-net/sluice/abi"
)

var protocols = map[string]abi.Protocol{"tcp": abi.TCP, "udp": abi.UDP}

func TestAPodReachesABackendThroughTheService(t *testing.T) {
	r := newRig(t, 3)
	r.listen(1, 8080)
	r.listen(2, 8080)
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family, 1, 2)
		r.put(s)
		answered := map[string]int{}
		for range 40 {
			who, saw, err := r.ask(0, network, s.Frontends[0].Address)
			if err != nil {
				t.Fatalf("%v\n%s", err, r.OVS.Run("ovs-appctl", "dpctl/dump-flows"))
			}
			if saw != r.Pods[0].Addresses[family] {
				t.Errorf("%s sees the client as %s, want %s", who, saw, r.Pods[0].Addresses[family])
			}
			answered[who]++
		}
		if answered["p1"] < 5 || answered["p2"] < 5 {
			t.Errorf("of 40 connections, answered by: %v", answered)
		}
	})
}
