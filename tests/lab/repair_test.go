package lab

import (
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/tests/labtest"
)

// repairLimit is how long what somebody changed by hand may stay so.
const repairLimit = 10 * time.Second

// What is deleted by hand is back within ten seconds, is counted, and packets
// flow again.
func TestWhatIsDeletedByHandComesBack(t *testing.T) {
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}})
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	address := l.Plan().Pods[0].Addresses[0].String()
	node := func(args ...string) (string, error) {
		args = append(strings.Fields(l.Enter("host:east")), args...)
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		return string(out), err
	}
	must := func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return out
	}
	gateway := func() string { out, _ := node("ip", "-o", "link", "show", "sluice-gw0"); return out } // gone is an answer
	route := func() string { return must(node("ip", "route", "show", address)) }
	ovs := l.OVS("east")
	for _, c := range []struct {
		name   string
		counts string
		delete func()
		back   func() bool
	}{
		{"route", "route", func() { must(node("ip", "route", "del", address, "dev", "sluice-gw0")) }, func() bool { return strings.Contains(route(), "sluice-gw0") }},
		{
			"flow", "flow",
			func() {
				must(ovs.Run(t.Context(), "ovs-ofctl", "-O", "OpenFlow15", "del-flows", "unix:"+ovs.Management(), "ip,nw_src="+address))
			},
			func() bool { return strings.Contains(flows(t, l, "east"), "nw_src="+address) },
		},
		{
			"gateway", "gateway",
			func() {
				must(ovs.Run(t.Context(), "ovs-vsctl", "--db="+ovs.Database(), "del-port", "sluice-gw0"))
			},
			func() bool { return strings.Contains(gateway(), "UP") && strings.Contains(route(), "sluice-gw0") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			counted := repairs(t, l, c.counts)
			c.delete()
			begin := time.Now()
			for !c.back() {
				if time.Since(begin) > repairLimit {
					t.Fatalf("not back after %v", repairLimit)
				}
				time.Sleep(10 * time.Millisecond) // nothing tells of it
			}
			t.Logf("back after %v", time.Since(begin).Round(time.Millisecond))
			for repairs(t, l, c.counts) <= counted {
				if time.Since(begin) > repairLimit {
					t.Fatalf("the repair of a %s is not counted", c.name)
				}
				time.Sleep(10 * time.Millisecond) // the count follows the repair
			}
			for _, from := range []string{"shop/b", "shop/c"} {
				outcome, err := l.Probe(t.Context(), lab.ProbeSpec{From: from, To: "shop/a", Protocol: "TCP", Port: 80, Address: l.Plan().Pods[0].Addresses[0]})
				if err != nil || !outcome.Connected {
					t.Errorf("%s -> shop/a after the repair: %+v, %v", from, outcome, err)
				}
			}
		})
	}
}

// repairs is the counter of one kind of repair on node east.
func repairs(t *testing.T, l *lab.Lab, what string) (count float64) {
	t.Helper()
	client := observe.NewClient(l.Agent("east").AdminSocket())
	defer client.Close()
	text, err := client.Raw(t.Context(), "/metrics", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "sluice_reconcile_repairs_total{") && strings.Contains(line, fmt.Sprintf("=%q", what)) {
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &count); err != nil {
				t.Fatal(err)
			}
		}
	}
	return count
}
