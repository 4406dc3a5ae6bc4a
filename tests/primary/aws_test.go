package primary

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// awsNode writes the rules of aws-node on node east, as they are for a VPC that
// has the Pods and the nodes in it, with iptables (amazon-vpc-cni-k8s,
// pkg/networkutils/network.go and iptables_connmark.go).
func awsNode(t *testing.T, l *lab.Lab, mark string) {
	t.Helper()
	run := func(args ...string) { in(t, l, east, append([]string{"iptables-nft"}, args...)...) }
	vpc := []string{"10.0.0.0/8", "192.168.100.0/24"}
	node := l.Plan().Nodes[0].Addresses[0].String()
	run("-t", "nat", "-N", "AWS-SNAT-CHAIN-0")
	run("-t", "nat", "-A", "POSTROUTING", "-m", "comment", "--comment", "AWS SNAT CHAIN", "-j", "AWS-SNAT-CHAIN-0")
	run("-t", "nat", "-N", "AWS-CONNMARK-CHAIN-0")
	for _, cidr := range vpc {
		run("-t", "nat", "-A", "AWS-SNAT-CHAIN-0", "-d", cidr, "-m", "comment", "--comment", "AWS SNAT CHAIN", "-j", "RETURN")
		run("-t", "nat", "-A", "AWS-CONNMARK-CHAIN-0", "-d", cidr, "-m", "comment", "--comment", "AWS CONNMARK CHAIN", "-j", "RETURN")
	}
	run("-t", "nat", "-A", "AWS-SNAT-CHAIN-0", "!", "-o", "vlan+", "-m", "comment", "--comment", "AWS, SNAT",
		"-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", "SNAT", "--to-source", node, "--random-fully")
	run("-t", "nat", "-A", "AWS-CONNMARK-CHAIN-0", "-m", "comment", "--comment", "AWS, CONNMARK", "-j", "CONNMARK", "--set-xmark", mark+"/"+mark)
	run("-t", "nat", "-A", "PREROUTING", "-i", "eni+", "-m", "comment", "--comment", "AWS, outbound connections", "-j", "AWS-CONNMARK-CHAIN-0")
	run("-t", "nat", "-A", "PREROUTING", "-m", "comment", "--comment", "AWS, CONNMARK", "-j", "CONNMARK", "--restore-mark", "--mask", mark)
	run("-t", "mangle", "-A", "PREROUTING", "-m", "comment", "--comment", "AWS, primary ENI", "-i", "eth0",
		"-m", "addrtype", "--dst-type", "LOCAL", "--limit-iface-in", "-j", "CONNMARK", "--set-mark", mark+"/"+mark)
	run("-t", "mangle", "-A", "PREROUTING", "-m", "comment", "--comment", "AWS, primary ENI", "-i", "eni+", "-j", "CONNMARK", "--restore-mark", "--mask", mark)
	run("-t", "mangle", "-A", "PREROUTING", "-m", "comment", "--comment", "AWS, primary ENI", "-i", "vlan+", "-j", "CONNMARK", "--restore-mark", "--mask", mark)
}

// nodePort is a port of node east at which Pod b is reached, as by kube-proxy
// with externalTrafficPolicy: Local.
const nodePort = 30080

func kubeProxy(t *testing.T, l *lab.Lab) {
	t.Helper()
	in(t, l, east, "iptables-nft", "-t", "nat", "-I", "PREROUTING", "-d", l.Plan().Nodes[0].Addresses[0].String(), "-p", "tcp",
		"--dport", strconv.Itoa(nodePort), "-j", "DNAT", "--to-destination", labtest.Address(t, l, podB, false).String()+":80")
}

// watch counts, in node east, what leaves by each of its interfaces.
func watch(t *testing.T, l *lab.Lab) {
	t.Helper()
	in(t, l, east, "nft", `add table ip watch; add chain ip watch leaves { type filter hook postrouting priority -200; };
		add rule ip watch leaves oifname "eth0" counter; add rule ip watch leaves oifname "eth1" counter`)
}

var left = regexp.MustCompile(`oifname "(eth[01])" counter packets (\d+)`)

// leaves is by which interfaces something left node east while f ran.
func leaves(t *testing.T, l *lab.Lab, f func()) string {
	t.Helper()
	count := func() map[string]int {
		packets := map[string]int{}
		for _, m := range left.FindAllStringSubmatch(in(t, l, east, "nft", "list", "table", "ip", "watch"), -1) {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			packets[m[1]] = n
		}
		return packets
	}
	quiet := func() map[string]int { // connections that end leave a packet behind
		was := count()
		for range 50 {
			time.Sleep(20 * time.Millisecond)
			now := count()
			if maps.Equal(now, was) {
				break
			}
			was = now
		}
		return was
	}
	before := quiet()
	f()
	after := quiet()
	var by []string
	for _, device := range []string{"eth0", "eth1"} {
		if after[device] > before[device] {
			by = append(by, device)
		}
	}
	return strings.Join(by, " and ")
}

// wayOut checks by which interface the packets of Pod b, on the second one, leave
// for a destination.
type wayOut struct {
	what string
	spec lab.ProbeSpec
	want string
	// source is the address that the listener must see; empty: any.
	source string
}

func waysOut(t *testing.T, l *lab.Lab) []wayOut {
	t.Helper()
	node, plan := l.Plan().Nodes[0].Addresses[0], l.Plan()
	address := func(pod string) (a lab.PodPlan) {
		for _, p := range plan.Pods {
			if p.Key() == pod {
				a = p
			}
		}
		return a
	}
	b, c := address(podB).Addresses[0], address(podC).Addresses[0]
	return []wayOut{
		{"outside of the VPC", lab.ProbeSpec{From: podB, To: lab.External, Address: plan.External[0], Protocol: "TCP", Port: lab.EchoPort}, "eth0", node.String()},
		{"outside of the VPC, UDP", lab.ProbeSpec{From: podB, To: lab.External, Address: plan.External[0], Protocol: "UDP", Port: lab.EchoPort}, "eth0", node.String()},
		{"a Pod of another node", lab.ProbeSpec{From: podB, To: podC, Address: c, Protocol: "TCP", Port: 80}, "eth1", b.String()},
		{"answers to a NodePort", lab.ProbeSpec{From: lab.External, To: podB, Address: node, Protocol: "TCP", Port: nodePort}, "eth0", plan.External[0].String()},
		{"answers to a Pod of another node", lab.ProbeSpec{From: podC, To: podB, Address: b, Protocol: "TCP", Port: 80}, "eth1", c.String()},
	}
}

func checkWaysOut(t *testing.T, l *lab.Lab, when string) {
	t.Helper()
	for _, way := range waysOut(t, l) {
		var outcome lab.Outcome
		by := leaves(t, l, func() {
			var err error
			if outcome, err = l.Probe(t.Context(), way.spec); err != nil {
				t.Fatal(err)
			}
		})
		if !outcome.Connected || by != way.want || outcome.Source.String() != way.source {
			t.Errorf("%s, %s: left by %q, %s; want by %s, seen as %s", when, way.what, by, fmt.Sprintf("%+v", outcome), way.want, way.source)
		}
	}
}
