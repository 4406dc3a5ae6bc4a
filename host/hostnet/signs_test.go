package hostnet

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/tests/nettest"
)

func TestSigns(t *testing.T) {
	ns := newNS(t)
	h, err := At(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if s, err := h.Signs(); err != nil || len(s.Devices) != 0 || len(s.HostRules) != 0 {
		t.Errorf("a new namespace shows %+v, %v", s, err)
	}
	ipIn(t, ns, `
		link add eni1 type veth peer name p1
		rule add to 10.1.0.2 priority 512 lookup main
		rule add to 10.1.0.3 priority 512 lookup main
		rule add to 10.2.0.0/16 priority 600 lookup main
		rule add to 10.1.0.4 priority 700 lookup 5
		rule add from 10.1.0.2 priority 1536 lookup 5
		-6 rule add to fd00::2 priority 512 lookup main`)
	nettest.Run(t, "nsenter", "--net="+ns, "sysctl", "-q", "-w", "net.ipv4.conf.p1.proxy_arp=1")
	s, err := h.Signs()
	if err != nil {
		t.Fatal(err)
	}
	devices := map[VethSigns]bool{}
	for _, d := range s.Devices {
		devices[d] = true
	}
	if len(s.Devices) != 2 || !devices[VethSigns{"eni1", false}] || !devices[VethSigns{"p1", true}] {
		t.Errorf("devices %+v, want eni1, and p1 with proxy ARP", s.Devices)
	}
	if len(s.HostRules) != 1 || s.HostRules[512] != 3 {
		t.Errorf("rules for single addresses: %v, want 3 of priority 512", s.HostRules)
	}
}

func TestAllowRules(t *testing.T) {
	ns := newNS(t)
	h, err := At(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	ipIn(t, ns, `
		link add eni1 type veth peer name p1
		link add eni2 type veth peer name p2
		rule add from 10.1.0.2 priority 1536 lookup 5
		-6 rule add iif eni2 priority 10 lookup 101`)
	if err := h.AllowRules("eni1"); err != nil {
		t.Errorf("eni1: %v", err)
	}
	var refused *VethError
	if err := h.AllowRules("eni2"); !errors.As(err, &refused) || refused.Problem != RuledByDevice || refused.Remedy == "" {
		t.Errorf("eni2: %v", err)
	}
}

func TestOtherDevicesOfAPodAreNamed(t *testing.T) {
	n := newNode(t)
	if len(n.veth.Others) != 0 {
		t.Errorf("a Pod with one device has %q besides", n.veth.Others)
	}
	ipIn(t, n.pod, `
		link add second type veth peer name down0
		link set second up`)
	v, err := n.FindVeth(n.pod, "eth0")
	if err != nil || len(v.Others) != 1 || v.Others[0] != "second" {
		t.Errorf("others %q, %v; want second", v.Others, err)
	}
}
