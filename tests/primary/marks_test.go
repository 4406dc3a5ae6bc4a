package primary

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/nettest"
)

// repairLimit is how long what somebody changed may stay so.
const repairLimit = 10 * time.Second

// What aws-node's rules say about the devices of Pods holds for the gateway: the
// same connections are marked, and leave by the same interfaces, with Sluice as
// without. What is changed is followed, counted, and in the end taken away.
func TestMarksOfEKS(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{Primary: lab.PrimaryEKS, Later: true})
	awsNode(t, l, "0x80")
	kubeProxy(t, l)
	watch(t, l)
	checkWaysOut(t, l, "before")
	before := rules(t, l)
	install(t, l)
	checkWaysOut(t, l, "with Sluice")

	counted := mirrorRepairs(t, l)
	in(t, l, east, "nft", "delete", "table", "ip", "sluice")
	if err := l.CheckPod(t.Context(), podA); err == nil || !strings.Contains(err.Error(), "rules about Pods' devices do not hold") {
		t.Errorf("CHECK without the copy: %v", err)
	}
	took := nettest.Await(t, repairLimit, "the copy is back", func() bool {
		return strings.Contains(in(t, l, east, "nft", "list", "ruleset"), "jump nat-AWS-CONNMARK-CHAIN-0")
	})
	t.Logf("back after %v", took.Round(time.Millisecond))
	nettest.Await(t, repairLimit, "the repair is counted", func() bool { return mirrorRepairs(t, l) > counted })
	checkWaysOut(t, l, "after the repair")

	// From now on aws-node marks with nftables and takes its chain away, which
	// nothing of Sluice's may keep from going.
	in(t, l, east, "iptables-nft", "-t", "nat", "-D", "PREROUTING", "-i", "eni+", "-m", "comment", "--comment", "AWS, outbound connections", "-j", "AWS-CONNMARK-CHAIN-0")
	in(t, l, east, "iptables-nft", "-t", "nat", "-F", "AWS-CONNMARK-CHAIN-0")
	in(t, l, east, "iptables-nft", "-t", "nat", "-X", "AWS-CONNMARK-CHAIN-0")
	in(t, l, east, "nft", `add table ip aws-cni
		add chain ip aws-cni snat-mark
		add rule ip aws-cni snat-mark ip daddr 10.0.0.0/8 counter return
		add rule ip aws-cni snat-mark ip daddr 192.168.100.0/24 counter return
		add rule ip aws-cni snat-mark counter ct mark set ct mark | 0x80
		add chain ip aws-cni nat-prerouting { type nat hook prerouting priority -90 ; }
		add rule ip aws-cni nat-prerouting fib daddr type local return
		add rule ip aws-cni nat-prerouting iifname "eni*" counter jump snat-mark
		add rule ip aws-cni nat-prerouting counter meta mark set ct mark and 0x80`)
	nettest.Await(t, repairLimit, "the copy follows to nftables", func() bool {
		return strings.Contains(in(t, l, east, "nft", "list", "table", "ip", "sluice"), "jump aws-cni-snat-mark")
	})
	checkWaysOut(t, l, "with nftables")
	theirs := rules(t, l)
	if theirs == before {
		t.Error("the test does not see aws-node's own rules")
	}
	labtest.Ctl(t, l, "east", "uninstall")
	if text := in(t, l, east, "nft", "list", "tables"); strings.Contains(text, "sluice") {
		t.Errorf("left after uninstalling:\n%s", text)
	}
	if now := rules(t, l); now != theirs {
		t.Errorf("aws-node's rules were\n%s\nand are\n%s", theirs, now)
	}
	checkWaysOut(t, l, "uninstalled")
}

// rules are all of node east that are not Sluice's, without counts.
func rules(t *testing.T, l *lab.Lab) string {
	t.Helper()
	var text strings.Builder
	for _, table := range []string{"nat", "mangle"} {
		text.WriteString(in(t, l, east, "iptables-nft", "-t", table, "-S"))
	}
	if out := in(t, l, east, "nft", "list", "tables"); strings.Contains(out, "aws-cni") {
		text.WriteString(counts.ReplaceAllString(in(t, l, east, "nft", "list", "table", "ip", "aws-cni"), ""))
	}
	return text.String()
}

// mirrorRepairs is how often the copy was found to differ on node east.
func mirrorRepairs(t *testing.T, l *lab.Lab) (count float64) {
	t.Helper()
	client := observe.NewClient(l.Agent("east").AdminSocket())
	defer client.Close()
	text, err := client.Raw(t.Context(), "/metrics", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, `sluice_reconcile_repairs_total{what="mirror"}`) {
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &count); err != nil {
				t.Fatal(err)
			}
		}
	}
	return count
}
