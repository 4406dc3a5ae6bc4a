package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/policy"
)

// maxLive bounds the connections that are read at once: reading them takes
// ovs-vswitchd about a microsecond each, in which it does nothing else.
const maxLive = 100_000

// liveConnections are the connections that policy let through and that are open,
// as the packet that opened each.
func (a *agent) liveConnections(ctx context.Context) ([]policy.Packet, error) {
	socket, err := controlSocket(a.Config.OVS.RunDir)
	if err != nil {
		return nil, err
	}
	if n, known := tracked(ctx, socket); known && n > maxLive {
		return nil, fmt.Errorf("there are %d connections; no more than %d are looked at", n, maxLive)
	}
	text, err := control(ctx, socket, "dpctl/dump-conntrack", fmt.Sprintf("zone=%d", datapath.Zone))
	if err != nil {
		return nil, err
	}
	return readConntrack(text), nil
}

// tracked is how many connections conntrack knows. Open vSwitch says it of its
// userspace datapath only (ovs-vswitchd(8), dpctl/ct-get-nconns); the kernel's
// conntrack says it of the node's network namespace, in which the agent is.
func tracked(ctx context.Context, socket string) (n int, known bool) {
	text, err := control(ctx, socket, "dpctl/ct-get-nconns")
	if err != nil {
		content, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
		if err != nil {
			return 0, false
		}
		text = string(content)
	}
	n, err = strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil
}

// over lists the states of TCP connections that have ended and are remembered for
// late packets, as Open vSwitch calls them.
func over() []string { return []string{"CLOSED", "TIME_WAIT", "LAST_ACK", "CLOSING"} }

// readConntrack reads the answer to dpctl/dump-conntrack (ovs-dpctl(8)), a line a
// connection: "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=4000,dport=80),reply=(…),…".
// What is none of that is passed over.
func readConntrack(text string) []policy.Packet {
	var out []policy.Packet
	for line := range strings.Lines(text) {
		protocol, rest, ok := strings.Cut(line, ",orig=(")
		tuple, _, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			continue
		}
		if slices.ContainsFunc(over(), func(state string) bool { return strings.Contains(rest, "state="+state) }) {
			continue
		}
		p := policy.Packet{}
		switch protocol {
		case "tcp":
			p.Protocol = abi.TCP
		case "udp":
			p.Protocol = abi.UDP
		case "sctp":
			p.Protocol = abi.SCTP
		case "icmp":
			p.Protocol = abi.ICMP
		case "icmpv6":
			p.Protocol = abi.ICMPv6
		default:
			continue
		}
		for field := range strings.SplitSeq(tuple, ",") {
			name, value, _ := strings.Cut(field, "=")
			number, _ := strconv.ParseUint(value, 10, 16)
			switch name {
			case "src":
				p.Source, _ = netip.ParseAddr(value)
			case "dst":
				p.Destination, _ = netip.ParseAddr(value)
			case "dport":
				p.Port = uint16(number)
			case "type":
				p.Port |= uint16(number) << 8
			case "code":
				p.Port |= uint16(number) & 0xff
			}
		}
		// What a Pod sends to its own address does not leave it, unless a Service is
		// asked in between.
		p.ThroughService = p.Source == p.Destination
		if p.Source.IsValid() && p.Destination.IsValid() {
			out = append(out, p)
		}
	}
	return out
}
