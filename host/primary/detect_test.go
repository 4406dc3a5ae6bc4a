package primary

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/hostnet"
)

func TestDetect(t *testing.T) {
	eks := hostnet.Signs{Devices: []hostnet.VethSigns{{Name: "eni0123456789a"}}, HostRules: map[int]int{512: 3}}
	azure := hostnet.Signs{Devices: []hostnet.VethSigns{{Name: "veth7"}, {Name: "azv0123456789a", ProxyARP: true}}}
	for _, c := range []struct {
		name    string
		signs   hostnet.Signs
		plugins []string
		want    string
		because string
	}{
		{"nothing at all", hostnet.Signs{}, nil, PTP, "nothing"},
		{"the ptp plugin", hostnet.Signs{}, []string{"ptp", "portmap"}, PTP, "plugin ptp"},
		{"a plugin that nobody knows", hostnet.Signs{Devices: []hostnet.VethSigns{{Name: "cali1"}}}, []string{"calico"}, PTP, "nothing"},
		{"Pods of EKS", eks, nil, EKS, "eni0123456789a"},
		{"EKS before its first Pod", hostnet.Signs{}, []string{"aws-cni", "egress-cni", "portmap"}, EKS, "plugin aws-cni"},
		{"names of EKS, without its rules", hostnet.Signs{Devices: eks.Devices}, nil, PTP, "nothing"},
		{"rules of EKS, without its devices", hostnet.Signs{HostRules: eks.HostRules}, nil, PTP, "nothing"},
		{"Pods of AKS", azure, nil, AzureTransparent, "answers ARP"},
		{"names of AKS that answer no ARP", hostnet.Signs{Devices: []hostnet.VethSigns{{Name: "azv1"}}}, nil, PTP, "nothing"},
		{"AKS before its first Pod", hostnet.Signs{}, []string{"azure-vnet"}, AzureTransparent, "plugin azure-vnet"},
		{"Pods come before the configuration", azure, []string{"aws-cni"}, AzureTransparent, "azv"},
	} {
		got := Detect(c.signs, c.plugins)
		if got.Profile.Name != c.want || !strings.Contains(got.Because, c.because) {
			t.Errorf("%s: %s, because %s; want %s, because of %q", c.name, got.Profile.Name, got.Because, c.want, c.because)
		}
	}
}

func TestDeviations(t *testing.T) {
	veth := func(name string, gateways ...string) *hostnet.Veth {
		v := &hostnet.Veth{Name: name}
		for _, g := range gateways {
			v.PodGateways = append(v.PodGateways, netip.MustParseAddr(g))
		}
		return v
	}
	for _, c := range []struct {
		profile string
		veth    *hostnet.Veth
		want    int
	}{
		{EKS, veth("eni1", "169.254.1.1"), 0},
		{EKS, veth("eni1", "169.254.1.1", "fe80::1"), 0},
		{EKS, veth("veth1", "169.254.1.1"), 1},
		{EKS, veth("veth1", "10.1.0.1", "fd00::1"), 3},
		{AzureTransparent, veth("azv1", "169.254.1.1", "fe80::1234:5678:9abc"), 0},
		{AzureTransparent, veth("azv1", "fe80::1"), 1},
		{PTP, veth("anything", "10.1.0.1", "fd00::1"), 0},
	} {
		p, known := Named(c.profile)
		if list := p.Deviations(c.veth); !known || len(list) != c.want {
			t.Errorf("%s, %+v: %q, want %d", c.profile, c.veth, list, c.want)
		}
	}
	if !slices.Equal(Names(), []string{EKS, AzureTransparent, PTP}) {
		t.Errorf("profiles: %v", Names())
	}
}
