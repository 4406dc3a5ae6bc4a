package primary

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/nettest"
)

// Sluice comes under running Pods of a cloud's plugin and goes again: streams go
// on, the profile is found, and the node and the Pods are as they were.
func TestInAndOut(t *testing.T) {
	for _, layout := range clouds {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := start(t, lab.Options{Primary: layout, Later: true})
			if layout == lab.PrimaryEKS {
				awsNode(t, l, "0x80")
			}
			before := snapshot(t, l)
			all := streams(t, l)
			flow(t, all, "before")

			// In force from the first packet on the bridge.
			if err := l.ApplyContent("policy.yaml", []byte(onlyNeeded)); err != nil {
				t.Fatal(err)
			}
			install(t, l)
			flow(t, all, "adopted")
			status, err := l.Agent("east").Status(t.Context())
			if err != nil || status.Primary.Profile != layout || status.Primary.Problem != "" {
				t.Errorf("profile %+v, %v; want %s", status.Primary, err, layout)
			}
			if out := labtest.Ctl(t, l, "east", "status"); !strings.Contains(out, layout) {
				t.Errorf("sluicectl status does not name the profile:\n%s", out)
			}
			labtest.Ctl(t, l, "east", "eject", podB)
			flow(t, all, "one ejected")
			labtest.Ctl(t, l, "east", "adopt")
			flow(t, all, "adopted again")
			labtest.Ctl(t, l, "east", "uninstall")
			flow(t, all, "uninstalled")
			for name, stream := range all {
				// A datagram may come twice while a Pod's packets take both ways. The answers
				// of a server without connections are lost until its client has spoken again.
				if report := stream.Stop(); report.Err != nil || report.Lost > report.Sent/20 {
					t.Errorf("%s: %v", name, report)
				} else {
					t.Logf("%s: %v", name, report)
				}
			}
			// ovs-vswitchd removes the userspace datapath's own device a moment later.
			nettest.Await(t, 5*time.Second, "ovs-netdev goes", func() bool { return !strings.Contains(in(t, l, east, "ip", "link"), "ovs-netdev") })
			compare(t, "after uninstalling", snapshot(t, l), before)
		})
	}
}

// streams are from and to Pods of node east, within it, to another node and
// outside, in both families.
func streams(t *testing.T, l *lab.Lab) map[string]*lab.Stream {
	t.Helper()
	all := map[string]*lab.Stream{}
	v6 := l.Plan().Pods[0].Addresses[1]
	for name, one := range map[string]struct {
		open func(lab.StreamSpec) (*lab.Stream, error)
		spec lab.StreamSpec
	}{
		"TCP within the node":       {l.TCPStream, lab.StreamSpec{From: podB, To: podA, Rate: 200}},
		"TCP, IPv6, within":         {l.TCPStream, lab.StreamSpec{From: podB, To: podA, Rate: 200, Address: v6}},
		"TCP from the other node":   {l.TCPStream, lab.StreamSpec{From: podC, To: podB, Rate: 200}},
		"TCP outwards":              {l.TCPStream, lab.StreamSpec{From: podB, To: lab.External, Rate: 200}},
		"UDP, IPv6, from outside":   {l.UDPStream, lab.StreamSpec{From: lab.External, To: podA, Rate: 200, Address: v6}},
		"UDP from the node's owner": {l.UDPStream, lab.StreamSpec{From: east, To: podB, Rate: 200}},
	} {
		stream, err := one.open(one.spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { stream.Stop() })
		all[name] = stream
	}
	return all
}

// flow waits until every stream has gone on for a while.
func flow(t *testing.T, all map[string]*lab.Stream, when string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for name, stream := range all {
		if err := stream.WaitFlowing(ctx, stream.Report().Received+60); err != nil {
			t.Errorf("%s: %s: %v", when, name, err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// ADD, CHECK and DEL behind a cloud's plugin, with the cniVersion that the
// plugin's own project ships.
func TestVerbs(t *testing.T) {
	for _, layout := range clouds {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := start(t, lab.Options{Primary: layout})
			addresses := []string{labtest.Address(t, l, podB, false).String(), labtest.Address(t, l, podB, true).String()}
			for _, a := range addresses {
				if out := in(t, l, east, "ip", "route", "show", a, "table", "all"); !strings.Contains(out, "dev sluice-gw0") {
					t.Errorf("the route to %s does not lead through the gateway: %q", a, out)
				}
			}
			err := l.CheckPod(t.Context(), podB)
			switch {
			case layout == lab.PrimaryAzure: // whose configuration is of a version without CHECK
				if err == nil || !strings.Contains(err.Error(), "0.3.0") {
					t.Errorf("CHECK with cniVersion 0.3.0: %v", err)
				}
			case err != nil:
				t.Errorf("CHECK: %v", err)
			default:
				in(t, l, east, "ip", "route", "replace", addresses[0], "dev", "eth0")
				if err := l.CheckPod(t.Context(), podB); err == nil || !strings.Contains(err.Error(), addresses[0]) {
					t.Errorf("CHECK after its route was changed: %v", err)
				}
			}
			if err := l.DetachPod(t.Context(), podB); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"route", "show", "table", "all"}, {"-6", "route", "show", "table", "all"}, {"rule"}, {"-6", "rule"}, {"neigh"}, {"-6", "neigh"}} {
				for line := range strings.Lines(in(t, l, east, append([]string{"ip"}, args...)...)) {
					for _, field := range strings.Fields(line) {
						if field == addresses[0] || field == addresses[1] {
							t.Errorf("left after DEL: ip %s: %s", strings.Join(args, " "), line)
						}
					}
				}
			}
			if err := l.AttachPod(t.Context(), podB); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{podA, podC} {
				for _, v6 := range []bool{false, true} {
					for _, p := range l.Plan().Pods {
						for _, a := range p.Addresses {
							if p.Key() != to || a.Is6() != v6 {
								continue
							}
							if outcome, err := l.Probe(t.Context(), lab.ProbeSpec{From: podB, To: to, Address: a, Protocol: "TCP", Port: 80}); err != nil || !outcome.Connected {
								t.Errorf("%s -> %s: %+v, %v", podB, a, outcome, err)
							}
						}
					}
				}
			}
		})
	}
}

// A Pod whose packets the node routes by their device is not put on the bridge,
// whose packets come from another: neither by ADD nor when it runs already.
func TestPodsRoutedByTheirDeviceAreRefused(t *testing.T) {
	t.Parallel()
	l := start(t, lab.Options{Primary: lab.PrimaryEKS})
	device := strings.Fields(in(t, l, "host:west", "ip", "-o", "link", "show", "type", "veth"))
	i := slices.IndexFunc(device, func(s string) bool { return strings.HasPrefix(s, "eni") })
	veth, _, _ := strings.Cut(device[i], "@")
	if err := l.DetachPod(t.Context(), podC); err != nil {
		t.Fatal(err)
	}
	in(t, l, "host:west", "ip", "rule", "add", "iif", veth, "priority", "10", "lookup", "101") // as for a security group of its own
	err := l.AttachPod(t.Context(), podC)
	if err == nil || !strings.Contains(err.Error(), "priority 10, table 101") || !strings.Contains(err.Error(), "standard") {
		t.Errorf("ADD: %v", err)
	}
	status, err := l.Agent("west").Status(t.Context())
	if err != nil || len(status.Pods) != 0 {
		t.Errorf("on the bridge: %+v, %v", status.Pods, err)
	}
	if out := in(t, l, "host:west", "ip", "route", "show", labtest.Address(t, l, podC, false).String()); !strings.Contains(out, "dev "+veth) {
		t.Errorf("the Pod's route is %q", out)
	}
}
