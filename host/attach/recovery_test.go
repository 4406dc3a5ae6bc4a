package attach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/tests/nettest"
)

// A process that stops after any step is followed by one that knows the Pod if the record was written, and DEL puts
// everything back. The first attacher just stops being used, as if it had been killed.
func TestCrashAfterEachStep(t *testing.T) {
	w := newWorld(t)
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4", "6")
	before := w.snapshot(pod)
	config := fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"podnet","podNamespace":"shop","podName":"web","prevResult":%s}`, prev)
	add := &wire.Request{Command: wire.Add, ContainerID: "c1", Netns: "/run/netns/" + pod, IfName: "eth0", Config: config}
	for stop := range len(w.a.steps(&Attachment{})) + 1 {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			w := *w
			w.t = t
			crashed := w.newAttacher()
			if _, err := crashed.Restore(w.ctx); err != nil {
				t.Fatal(err)
			}
			target, err := parseAdd(add)
			if err != nil {
				t.Fatal(err)
			}
			at, _, err := crashed.makeRoom(w.ctx, target)
			if err != nil {
				t.Fatal(err)
			}
			steps := crashed.steps(at)
			recorded := slices.ContainsFunc(steps[:stop], func(s step) bool { return s.record })
			if err := crashed.run(w.ctx, at, steps[:stop]); err != nil {
				t.Fatal(err)
			}
			next := w.newAttacher()
			found, err := next.Restore(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if recorded != (len(found) == 1) {
				t.Fatalf("found %+v, recorded: %v", found, recorded)
			}
			if recorded {
				if r, err := next.Reconcile(w.ctx); err != nil || r.Total() != 0 {
					t.Errorf("after Restore there was still to repair: %+v, %v", r, err)
				}
				w.pings(w.ns, "10.1.0.2")
			}
			if stop%2 == 0 { // the runtime may repeat the ADD or give up
				if _, err := next.Add(w.ctx, add); err != nil {
					t.Error(err)
				}
				w.pings(w.ns, "10.1.0.2", "fd00:1::2")
			}
			if err := next.Del(w.ctx, add); err != nil {
				t.Error(err)
			}
			w.same("after DEL", w.snapshot(pod), before)
		})
	}
}

// The same on the way back: the process stops after the last of the undone steps.
func TestCrashWhileDetaching(t *testing.T) {
	w := newWorld(t)
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4", "6")
	before := w.snapshot(pod)
	config := fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"podnet","podNamespace":"shop","podName":"web","prevResult":%s}`, prev)
	request := &wire.Request{Command: wire.Add, ContainerID: "c1", Netns: "/run/netns/" + pod, IfName: "eth0", Config: config}
	for from := range len(w.a.steps(&Attachment{})) {
		crashed := w.newAttacher()
		if _, err := crashed.Restore(w.ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := crashed.Add(w.ctx, request); err != nil {
			t.Fatal(err)
		}
		at := crashed.members.get(podKey{"shop", "web"})
		if err := crashed.unwind(w.ctx, &at.Attachment, crashed.steps(&at.Attachment)[from:]); err != nil {
			t.Fatal(err)
		}
		next := w.newAttacher()
		if _, err := next.Restore(w.ctx); err != nil {
			t.Fatal(err)
		}
		if err := next.Del(w.ctx, request); err != nil {
			t.Fatal(err)
		}
		w.same(fmt.Sprintf("stopped at step %d", from), w.snapshot(pod), before)
	}
}

func TestRestoreRemovesThePodsThatDied(t *testing.T) {
	w := newWorld(t)
	w.serve()
	before := w.snapshot()
	dead, alive := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "dead", dead, w.primary("c1", dead, "4", "6")))
	w.must(w.sluice("ADD", "c2", "alive", alive, w.primary("c2", alive, "4", "6")))
	attached := w.a.Attachments()
	nettest.Run(t, "ip", "netns", "del", dead)
	w.waitGone(attached[1].Veth)
	next := w.newAttacher()
	found, err := next.Restore(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Name != "alive" || found[0].OFPort != attached[0].OFPort || found[0].MAC.String() != attached[0].MAC.String() ||
		!slices.Equal(found[0].Addresses, attached[0].Addresses) || found[0].ContainerID != "c2" {
		t.Errorf("found %+v, attached were %+v", found, attached)
	}
	if got := w.snapshot(); strings.Contains(got, attached[1].Veth) || strings.Contains(got, "10.1.0.2") {
		t.Errorf("left of the dead Pod:\n%s", got)
	}
	w.pings(w.ns, "10.1.0.3", "fd00:1::3")
	if err := next.Del(w.ctx, &wire.Request{ContainerID: "c1", IfName: "eth0", Config: []byte(`{}`)}); err != nil {
		t.Errorf("DEL of the dead Pod: %v", err)
	}
	if err := next.Del(w.ctx, &wire.Request{ContainerID: "c2", IfName: "eth0", Config: []byte(`{}`)}); err != nil {
		t.Error(err)
	}
	if err := w.cni().DelNetworkList(w.ctx, w.network(false, 1500, "4", "6"), runtimeConf("c2", "c2", alive)); err != nil {
		t.Error(err)
	}
	w.same("after all", w.snapshot(), before)
}

// waitGone waits for the kernel to end a veth whose namespace was deleted, which it does in the background.
func (w *world) waitGone(veth string) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if index, err := w.host.LinkIndex(veth); err != nil || index == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is still there", veth)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestReconcilePutsRightWhatWasChangedByHand(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "web", pod, w.primary("c1", pod, "4", "6")))
	at := w.a.Attachments()[0]
	w.settled()
	if r, err := w.a.Reconcile(w.ctx); err != nil || r.Total() != 0 {
		t.Fatalf("nothing was changed, but repaired %+v, %v", r, err)
	}
	before := w.snapshot(pod)
	for _, c := range []struct {
		name   string
		breaks [][]string
		want   Repairs
	}{
		{"routes", [][]string{
			{"ip", "route", "del", "10.1.0.2", "dev", "sluice-gw0"},
			{"ip", "-6", "route", "replace", "fd00:1::2", "dev", at.Veth},
		}, Repairs{Routes: 2}},
		{"neighbours", [][]string{
			{"ip", "neigh", "replace", "10.1.0.2", "lladdr", "02:00:00:00:00:01", "dev", "sluice-gw0", "nud", "reachable"},
			{"ip", "-6", "neigh", "del", "fd00:1::2", "dev", "sluice-gw0"},
			{"ip", "-6", "neigh", "del", "proxy", "fd00:1::1", "dev", "sluice-gw0"},
		}, Repairs{Neighbours: 2, Proxies: 1}},
		{"rules", [][]string{{"nft", "delete", "table", "netdev", "sluice"}}, Repairs{Drops: 1}}, // userspace datapath
		{"gateway", [][]string{
			{"ip", "link", "set", "sluice-gw0", "mtu", "1300"},
			{"sysctl", "-qw", "net.ipv4.conf.sluice-gw0.rp_filter=1"},
		}, Repairs{Gateway: 1}},
		{"gateway down", [][]string{{"ip", "link", "set", "sluice-gw0", "down"}}, Repairs{Gateway: 1}},
		{"port", [][]string{{"ovs-vsctl", "--db=unix:" + w.ovs.DBSocket, "del-port", at.Veth}}, Repairs{Ports: 1}},
		{"record", [][]string{{"ovs-vsctl", "--db=unix:" + w.ovs.DBSocket, "clear", "interface", at.Veth, "external_ids"}}, Repairs{Ports: 1}},
	} {
		if c.want.Drops > 0 && !w.a.mode.dropAtIngress {
			continue
		}
		for _, args := range c.breaks {
			w.inNS(args...)
		}
		if c.name == "port" || c.name == "record" {
			w.until("the change has been seen", func() bool {
				p, found, err := w.db.Port(w.ctx, at.Veth)
				return err == nil && (!found || len(p.ExternalIDs) == 0)
			})
		}
		r, err := w.a.Reconcile(w.ctx)
		if strings.HasPrefix(c.name, "gateway") {
			// ovs-vswitchd repairs the MTU too, and what the kernel forgets of a link that goes down differs between versions.
			r = Repairs{Gateway: min(1, r.Gateway)}
		}
		if err != nil || r != c.want {
			t.Errorf("%s: repaired %+v, %v; want %+v", c.name, r, err, c.want)
		}
		w.same("after "+c.name, w.snapshot(pod), before)
		w.pings(w.ns, "10.1.0.2", "fd00:1::2")
		if r, err := w.a.Reconcile(w.ctx); err != nil || r.Total() != 0 {
			t.Errorf("%s: again %+v, %v", c.name, r, err)
		}
	}
}

func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it never happened that %s", what)
		}
	}
}

// settled waits until the routes name their source addresses.
func (w *world) settled() {
	w.t.Helper()
	w.until("the routes name their source addresses", func() bool { return !w.a.settle(w.ctx) })
}

func TestReconcileMakesADeletedBridgeAgain(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "web", pod, w.primary("c1", pod, "4")))
	before, number := w.snapshot(pod), w.a.Attachments()[0].OFPort
	w.ovs.Run("ovs-vsctl", "del-br", "br-sluice")
	w.until("the change has been seen", func() bool {
		ports, err := w.db.Ports(w.ctx, "br-sluice")
		return err == nil && len(ports) == 0
	})
	if r, err := w.a.Reconcile(w.ctx); err != nil || r.Ports != 1 || r.Gateway == 0 || r.Routes != 1 {
		t.Errorf("repaired %+v, %v", r, err)
	}
	if got := w.ovs.Run("ovs-vsctl", "get-fail-mode", "br-sluice"); !strings.Contains(got, "secure") {
		t.Errorf("fail mode: %s", got)
	}
	if got := w.a.Attachments()[0].OFPort; got != number {
		t.Errorf("the port's number is %d, was %d", got, number)
	}
	w.ovs.AddBridge("br-sluice") // it is there: this waits for its OpenFlow socket
	w.ovs.OFCtl("br-sluice", "add-flow", "priority=0,actions=NORMAL")
	w.pings(w.ns, "10.1.0.2")
	after := w.snapshot(pod)
	w.same("after all", withoutIndex(after), withoutIndex(before))
}

// withoutIndex drops the lines that begin with the index of the gateway device, which is another one.
func withoutIndex(snapshot string) string {
	var kept []string
	for line := range strings.Lines(snapshot) {
		if !strings.Contains(line, ": sluice-gw0") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestReconcilePrunesAPodThatDiedWithoutDel(t *testing.T) {
	w := newWorld(t)
	w.serve()
	before := w.snapshot()
	pod := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "web", pod, w.primary("c1", pod, "4", "6")))
	veth := w.a.Attachments()[0].Veth
	nettest.Run(t, "ip", "netns", "del", pod)
	w.waitGone(veth)
	r, err := w.a.Reconcile(w.ctx)
	if err != nil || r.Pruned != 1 {
		t.Errorf("repaired %+v, %v", r, err)
	}
	if _, ok := w.node.pod("web"); ok {
		t.Error("the datapath still has the Pod")
	}
	w.same("after pruning", w.snapshot(), before)
}

func TestRunRepairsAtOnceWhenTheGatewayChanges(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "web", pod, w.primary("c1", pod, "4", "6")))
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- w.a.Run(ctx, nil) }()
	source := func() bool {
		return strings.Contains(w.inNS("ip", "-6", "route", "show", "fd00:1::2"), "src fd00:1::1")
	}
	w.until("the IPv6 route names its source address", source)
	before := w.a.Attachments()[0]
	intact := func() bool { return w.check("c1", "web", pod) == nil && w.a.Gateway().OFPort == 1 && source() }

	t.Run("ovs-vswitchd killed", func(t *testing.T) {
		w.ovs.KillSwitchd()
		if got := w.inNS("ip", "route", "show", "10.1.0.2"); !strings.Contains(got, "sluice-gw0") {
			t.Errorf("the route went with ovs-vswitchd: %s", got)
		}
		w.ovs.StartSwitchd()
		w.ovs.AddBridge("br-sluice") // it is there: this waits for its OpenFlow socket
		w.until("all is repaired", intact)
		if got := w.a.Attachments()[0].OFPort; got != before.OFPort {
			t.Errorf("the port's number is %d, was %d", got, before.OFPort)
		}
		w.ovs.OFCtl("br-sluice", "add-flow", "priority=0,actions=NORMAL")
		w.pings(w.ns, "10.1.0.2", "fd00:1::2")
		w.pings(pod, "fd00:1::1")
	})
	t.Run("gateway deleted", func(t *testing.T) {
		former := w.a.Gateway().Index
		w.ovs.Run("ovs-vsctl", "del-port", "sluice-gw0")
		started := time.Now()
		w.until("there is another gateway", func() bool { return w.a.Gateway().Index != former && intact() })
		took := time.Since(started)
		t.Logf("the gateway and the routes were back after %v", took)
		if took > 5*time.Second {
			t.Errorf("that took %v, so it was the clock and not the event", took)
		}
		w.pings(w.ns, "10.1.0.2", "fd00:1::2")
		w.pings(pod, "fd00:1::1")
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (w *world) check(containerID, podName, netns string) error {
	return w.a.Check(w.ctx, request("CHECK", runtimeConf(containerID, podName, netns), []byte("null")))
}

func TestPluginThatGoesAwayIsUndone(t *testing.T) {
	w := newWorld(t)
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4")
	before := w.snapshot(pod)
	w.node.block, w.node.entered = make(chan struct{}), make(chan struct{}, 1)
	stop := w.serve()
	ctx, cancel := context.WithCancel(w.ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := wire.Call(ctx, w.socket, &wire.Request{
			Command: wire.Add, ContainerID: "c1", Netns: "/run/netns/" + pod, IfName: "eth0",
			Config: fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"podnet","prevResult":%s}`, prev),
		})
		failed <- err
	}()
	<-w.node.entered
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the plugin got %v", err)
	}
	stop() // returns when the request is undone
	w.same("after the plugin went away", w.snapshot(pod), before)
	if _, err := os.Stat(w.socket); err == nil {
		t.Error("the socket is left")
	}
}

func TestListenRefusesASocketInUse(t *testing.T) {
	w := newWorld(t)
	stop := w.serve()
	if _, err := Listen(w.socket, w.a, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another agent answers") {
		t.Errorf("got %v", err)
	}
	stop()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: w.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	w.serve()
	w.must(w.sluice("STATUS", "", "", "", nil))
}
