package lab

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tests/labtest"
)

// Pods leave the bridge and come back, and at last Sluice leaves the node, by
// the commands that a person gives, under policies and with streams running.
func TestMoveByCommand(t *testing.T) {
	l := continuityLab(t)
	all := streams(t, l)
	sluicectl := func(args ...string) string {
		t.Helper()
		args = append(args, "--socket", l.Agent("east").AdminSocket())
		out, err := exec.CommandContext(t.Context(), labtest.Programs(t, false).Ctl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("sluicectl %v: %v: %s", args, err, out)
		}
		t.Logf("sluicectl %s\n%s", args[0], out)
		return string(out)
	}
	onBridge := func(want int) {
		t.Helper()
		status, err := l.Agent("east").Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Pods) != want {
			t.Errorf("on the bridge: %v, want %d Pods", status.Pods, want)
		}
	}
	flow := func(when string) {
		t.Helper()
		for name, stream := range all {
			if err := stream.WaitFlowing(t.Context(), stream.Report().Received+200); err != nil {
				t.Fatalf("%s: %s: %v", when, name, err)
			}
			t.Logf("%s: %s: %v", when, name, stream.Report())
		}
	}
	flow("before")
	sluicectl("eject", "shop/a")
	onBridge(1)
	flow("one ejected")
	sluicectl("eject", "--all")
	onBridge(0)
	flow("all ejected")
	for name, stream := range streams(t, l) { // conntrack has never seen these
		all[name+", opened without Sluice"] = stream
	}
	if out := sluicectl("adopt"); strings.Count(out, " kept") != 2 {
		t.Errorf("adopt says %q, want two Pods", out)
	}
	onBridge(2)
	flow("adopted")
	if out := sluicectl("adopt", "--pod", "shop/a"); !strings.Contains(out, "was on the bridge") {
		t.Errorf("adopt again says %q", out)
	}
	if out := sluicectl("uninstall"); !strings.Contains(out, "2 Pods were ejected") {
		t.Errorf("uninstall says %q", out)
	}
	flow("uninstalled")
	for name, stream := range all {
		report := stream.Stop()
		// A datagram may come twice while a Pod's packets take both ways.
		if report.Err != nil || report.Lost > report.Sent/100 {
			t.Errorf("%s: %v", name, report)
		}
	}
	if out, err := exec.CommandContext(t.Context(), labtest.Programs(t, false).Ctl, "eject", "shop/none", "--socket", l.Agent("west").AdminSocket()).CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "shop/none") {
		t.Errorf("ejecting a Pod that is not there: %v: %s", err, out)
	}
}
