package agent

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

func TestReadConntrack(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::2")
	got := readConntrack(`tcp,orig=(src=10.0.0.1,dst=10.0.0.9,sport=4000,dport=80),reply=(src=10.0.0.9,dst=10.0.0.1,sport=80,dport=4000),zone=20942,protoinfo=(state=ESTABLISHED)
tcp,orig=(src=10.0.0.1,dst=10.0.0.9,sport=4001,dport=80),reply=(src=10.0.0.9,dst=10.0.0.1,sport=80,dport=4001),zone=20942,protoinfo=(state=TIME_WAIT)
tcp,orig=(src=10.0.0.1,dst=10.0.0.1,sport=4002,dport=8080),reply=(src=10.0.0.1,dst=10.0.0.1,sport=8080,dport=4002),zone=20942,mark=1,protoinfo=(state=ESTABLISHED)
udp,orig=(src=fd00::2,dst=fd00::2,sport=5000,dport=53),reply=(src=fd00::2,dst=fd00::2,sport=53,dport=5000),zone=20942,mark=1
icmpv6,orig=(src=fd00::2,dst=fd00::9,id=7,type=128,code=0),reply=(src=fd00::9,dst=fd00::2,id=7,type=129,code=0),zone=20942
igmp,orig=(src=10.0.0.1,dst=224.0.0.1),reply=(src=224.0.0.1,dst=10.0.0.1)
nothing of this kind
`)
	want := []policy.Packet{
		{Source: a, Destination: netip.MustParseAddr("10.0.0.9"), Protocol: abi.TCP, Port: 80},
		// Its own address a Pod reaches on the bridge only through a Service.
		{Source: a, Destination: a, Protocol: abi.TCP, Port: 8080, ThroughService: true},
		{Source: b, Destination: b, Protocol: abi.UDP, Port: 53, ThroughService: true},
		{Source: b, Destination: netip.MustParseAddr("fd00::9"), Protocol: abi.ICMPv6, Port: 128 << 8},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
