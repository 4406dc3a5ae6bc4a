package hostnet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tests/nettest"
)

// awsRules are those of aws-node with iptables (amazon-vpc-cni-k8s, pkg/networkutils), and somebody else's.
const awsRules = `
-t nat -N AWS-CONNMARK-CHAIN-0
-t nat -A PREROUTING -m comment --comment others -i eni+ -j ACCEPT
-t nat -A PREROUTING -i eni+ -m comment --comment AWS,outbound -j AWS-CONNMARK-CHAIN-0
-t nat -A PREROUTING -m comment --comment AWS,CONNMARK -j CONNMARK --restore-mark --mask 0x80
-t nat -A AWS-CONNMARK-CHAIN-0 -d 10.0.0.0/8 -m comment --comment AWS -j RETURN
-t nat -A AWS-CONNMARK-CHAIN-0 -d 192.168.100.0/23 -m comment --comment AWS -j RETURN
-t nat -A AWS-CONNMARK-CHAIN-0 -m comment --comment AWS,CONNMARK -j CONNMARK --set-xmark 0x80/0x80
-t mangle -A PREROUTING -m comment --comment AWS,primary -i eth0 -m addrtype --dst-type LOCAL --limit-iface-in -j CONNMARK --set-mark 0x80/0x80
-t mangle -A PREROUTING -m comment --comment AWS,primary -i eni+ -j CONNMARK --restore-mark --mask 0x80
-t mangle -A PREROUTING -m comment --comment AWS,primary -i vlan+ -j CONNMARK --restore-mark --mask 0x80
`

// awsTable is what aws-node writes where iptables is nftables'.
const awsTable = `
table ip aws-cni {
	chain snat-mark {
		ip daddr 10.0.0.0/8 counter return
		ip daddr 192.168.100.0/23 counter return
		counter ct mark set ct mark | 0x80
	}
	chain nat-prerouting {
		type nat hook prerouting priority -90; policy accept;
		fib daddr type local return
		iifname "eni*" counter jump snat-mark
		counter meta mark set ct mark & 0x80
	}
}
`

func awsMirror() Mirror {
	return Mirror{
		Sources: []RuleSource{{"mangle", "PREROUTING", "AWS"}, {"nat", "PREROUTING", "AWS"}, {"aws-cni", "nat-prerouting", ""}},
		Devices: []string{"eni"}, Gateway: "gw0",
	}
}

type mirrored struct {
	*Host
	t  *testing.T
	ns string
}

func newMirrored(t *testing.T) mirrored {
	t.Helper()
	ns := newNS(t)
	h, err := At(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return mirrored{h, t, ns}
}

func (m mirrored) do(args ...string) string {
	m.t.Helper()
	return nettest.Run(m.t, append([]string{"nsenter", "--net=" + m.ns}, args...)...)
}

func (m mirrored) iptables(lines string) {
	m.t.Helper()
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		m.do(append([]string{"iptables-nft"}, strings.Fields(line)...)...)
	}
}

// mirror copies, and wants so many rules, and a change or none.
func (m mirrored) mirror(what string, rules int, changes bool) {
	m.t.Helper()
	n, changed, err := m.MirrorRules(awsMirror())
	if err != nil || n != rules || changed != changes {
		m.t.Errorf("%s: %d rules, changed %t, %v; want %d rules, changed %t", what, n, changed, err, rules, changes)
	}
	if n, changed, err := m.MirrorRules(awsMirror()); err != nil || n != rules || changed {
		m.t.Errorf("%s, again: %d rules, changed %t, %v", what, n, changed, err)
	}
}

func (m mirrored) ours() string {
	out, _ := exec.Command("nsenter", "--net="+m.ns, "nft", "list", "table", "ip", "sluice").CombinedOutput() // none is an answer
	return string(out)
}

func TestMirrorOfIptables(t *testing.T) {
	m := newMirrored(t)
	m.mirror("without rules", 0, false)
	before := m.do("nft", "list", "ruleset")
	m.iptables(awsRules)
	theirs := m.do("iptables-nft-save")
	m.mirror("with aws-node's", 6, true)
	for _, want := range []string{
		"type nat hook prerouting priority dstnat + 1", "type filter hook prerouting priority mangle + 1",
		`iifname "gw0"`, "ip daddr 192.168.100.0/23", "jump nat-AWS-CONNMARK-CHAIN-0",
	} {
		if !strings.Contains(m.ours(), want) {
			t.Errorf("the copy does not have %q:\n%s", want, m.ours())
		}
	}
	for _, no := range []string{"eni", "vlan", "eth0", "others"} {
		if strings.Contains(m.ours(), no) {
			t.Errorf("the copy has %q:\n%s", no, m.ours())
		}
	}
	if now := m.do("iptables-nft-save"); withoutTime(now) != withoutTime(theirs) {
		t.Errorf("aws-node's rules were\n%s\nand are\n%s", theirs, now)
	}

	m.iptables("-t nat -I AWS-CONNMARK-CHAIN-0 -d 172.16.0.0/12 -m comment --comment AWS -j RETURN")
	m.mirror("with one more network", 7, true)
	m.do("nft", "delete", "rule", "ip", "sluice", "mangle-PREROUTING", "handle", m.handle("mangle-PREROUTING"))
	m.mirror("after one of ours was deleted", 7, true)
	m.do("nft", "flush", "chain", "ip", "sluice", "nat-AWS-CONNMARK-CHAIN-0")
	m.mirror("after one of ours was flushed", 7, true)
	m.iptables(`
-t mangle -D PREROUTING -m comment --comment AWS,primary -i eni+ -j CONNMARK --restore-mark --mask 0x80
-t mangle -A PREROUTING -m comment --comment AWS,primary -i eni+ -j CONNMARK --restore-mark --mask 0x100`)
	m.mirror("with another mark", 7, true)

	// aws-node takes its chain away when it marks by nftables from then on: nothing of ours may hold it.
	m.iptables(`
-t nat -D PREROUTING -i eni+ -m comment --comment AWS,outbound -j AWS-CONNMARK-CHAIN-0
-t nat -F AWS-CONNMARK-CHAIN-0
-t nat -X AWS-CONNMARK-CHAIN-0`)
	m.mirror("without the chain", 1, true)
	m.iptables("-t mangle -F PREROUTING\n-t nat -F PREROUTING")
	m.mirror("without aws-node", 0, true)
	m.do("nft", "delete", "table", "ip", "nat")
	m.do("nft", "delete", "table", "ip", "mangle")
	if after := m.do("nft", "list", "ruleset"); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

func TestMirrorOfNftables(t *testing.T) {
	m := newMirrored(t)
	file := filepath.Join(t.TempDir(), "aws.nft")
	if err := os.WriteFile(file, []byte(awsTable), 0o600); err != nil {
		t.Fatal(err)
	}
	m.do("nft", "-f", file)
	m.mirror("with aws-node's table", 6, true)
	for _, want := range []string{"priority -89", `iifname "gw0"`, "fib daddr type local return", "ip daddr 192.168.100.0/23", "jump aws-cni-snat-mark", "ct mark | 0x00000080"} {
		if !strings.Contains(m.ours(), want) {
			t.Errorf("the copy does not have %q:\n%s", want, m.ours())
		}
	}
	m.do("nft", "delete", "table", "ip", "aws-cni")
	m.mirror("without aws-node", 0, true)
	if ours := m.ours(); !strings.Contains(ours, "No such file") {
		t.Errorf("left behind:\n%s", ours)
	}
}

// Rules in tables of their own are not what MirrorRules sees; that they are there, it can tell.
func TestLegacyRulesAreNoticed(t *testing.T) {
	m := newMirrored(t)
	if legacy, err := m.LegacyRules(); err != nil || legacy {
		t.Errorf("in a new namespace: %t, %v", legacy, err)
	}
	if out, err := exec.Command("nsenter", "--net="+m.ns, "iptables-legacy", "-t", "nat", "-N", "AWS-CONNMARK-CHAIN-0").CombinedOutput(); err != nil {
		t.Skipf("this kernel has no tables of iptables' own: %s", out)
	}
	if legacy, err := m.LegacyRules(); err != nil || !legacy {
		t.Errorf("with a table: %t, %v", legacy, err)
	}
}

// handle is that of the first rule of a chain of ours.
func (m mirrored) handle(chain string) string {
	m.t.Helper()
	for line := range strings.Lines(m.do("nft", "-a", "list", "chain", "ip", "sluice", chain)) {
		if _, after, ok := strings.Cut(line, "# handle "); ok && strings.Contains(line, "gw0") {
			return strings.TrimSpace(after)
		}
	}
	m.t.Fatalf("chain %s has no rule", chain)
	return ""
}

func withoutTime(save string) string {
	var b strings.Builder
	for line := range strings.Lines(save) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
