package attach

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/tests/nettest"
)

func TestCheckSeesWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4", "6")
	if _, err := w.sluice("CHECK", "c1", "web", pod, prev); code(err) != types.ErrUnknownContainer {
		t.Errorf("before ADD: %v", err)
	}
	w.must(w.sluice("ADD", "c1", "web", pod, prev))
	w.must(w.sluice("CHECK", "c1", "web", pod, prev))
	w.inNS("ip", "route", "del", "10.1.0.2", "dev", "sluice-gw0")
	w.inNS("ip", "-6", "neigh", "del", "fd00:1::2", "dev", "sluice-gw0")
	wanted := []string{"route 10.1.0.2/32", "fd00:1::2 is no permanent neighbour"}
	if w.a.mode.dropAtIngress {
		w.inNS("nft", "delete", "table", "netdev", "sluice")
		wanted = append(wanted, "past the bridge")
	}
	_, err := w.sluice("CHECK", "c1", "web", pod, prev)
	if code(err) != CodeCheck {
		t.Fatalf("got %v", err)
	}
	for _, want := range wanted {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := w.a.Reconcile(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.must(w.sluice("CHECK", "c1", "web", pod, prev))
}

func TestStatusFollowsVswitchd(t *testing.T) {
	w := newWorld(t)
	w.serve()
	w.must(w.sluice("STATUS", "", "", "", nil))
	old := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c0", "old", old, w.primary("c0", old, "4")))
	w.ovs.KillSwitchd()
	if _, err := w.sluice("STATUS", "", "", "", nil); code(err) != types.ErrPluginNotAvailable || !strings.Contains(err.Error(), "ovs-vswitchd") {
		t.Errorf("without ovs-vswitchd: %v", err)
	}
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4")
	if _, err := w.sluice("ADD", "c1", "web", pod, prev, "timeoutSeconds", "2"); code(err) != types.ErrTryAgainLater {
		t.Errorf("ADD without ovs-vswitchd: %v", err)
	}
	w.must(w.sluice("DEL", "c0", "old", old, nil)) // a Pod's end does not wait for ovs-vswitchd
	if got := w.snapshot(); strings.Contains(got, "10.1.0.2 dev sluice-gw0") || strings.Contains(got, "drop-") {
		t.Errorf("left after DEL without ovs-vswitchd:\n%s", got)
	}
	w.ovs.StartSwitchd()
	w.until("STATUS is good again", func() bool {
		if _, err := w.a.Reconcile(w.ctx); err != nil {
			return false
		}
		_, err := w.sluice("STATUS", "", "", "", nil)
		return err == nil
	})
	w.must(w.sluice("ADD", "c1", "web", pod, prev))
}

func TestGCDetachesWhatIsNotValid(t *testing.T) {
	w := newWorld(t)
	w.serve()
	for i := range 3 {
		id := fmt.Sprintf("c%d", i)
		pod := nettest.Namespace(t, "sluice-attach")
		w.must(w.sluice("ADD", id, "p"+id, pod, w.primary(id, pod, "4")))
	}
	w.must(w.sluice("GC", "", "", "", nil, "cni.dev/valid-attachments", `[{"containerID":"c1","ifname":"eth0"},{"containerID":"c2","ifname":"eth1"}]`))
	if list := w.a.Attachments(); len(list) != 1 || list[0].ContainerID != "c1" {
		t.Errorf("left: %+v", list)
	}
	if _, err := w.sluice("GC", "", "", "", nil); code(err) != types.ErrInvalidNetworkConfig {
		t.Errorf("GC without a list: %v", err)
	}
}

func TestGatewayHasTheLargestMTU(t *testing.T) {
	w := newWorld(t)
	w.serve()
	gateway := func() string { return w.inNS("ip", "-o", "link", "show", "sluice-gw0") }
	for i, c := range []struct {
		mtu  int
		want string
	}{{1400, "mtu 1400 "}, {8900, "mtu 8900 "}, {1300, "mtu 8900 "}} {
		pod, id := nettest.Namespace(t, "sluice-attach"), fmt.Sprintf("c%d", i)
		if _, err := w.cni().AddNetworkList(w.ctx, w.network(true, c.mtu, "4"), runtimeConf(id, id, pod)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(gateway(), c.want) {
			t.Errorf("after a Pod with %d: %s", c.mtu, gateway())
		}
	}
	// The routes keep what is too large for a Pod away from it.
	if got := w.inNS("ip", "route", "get", "10.1.0.4"); !strings.Contains(got, "mtu 1300") {
		t.Errorf("route to the small one: %s", got)
	}
	w.must(w.sluice("DEL", "c1", "c1", "", nil))
	if !strings.Contains(gateway(), "mtu 1400 ") {
		t.Errorf("after the large one left: %s", gateway())
	}
}

func TestOneInterfacePerPod(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	w.must(w.sluice("ADD", "c1", "web", pod, w.primary("c1", pod, "4")))
	conf := runtimeConf("c1", "web", pod)
	conf.IfName = "eth1"
	list := w.network(true, 1500, "6")
	if _, err := w.cni().AddNetworkList(w.ctx, list, conf); code(err) != CodeSecondInterface {
		t.Errorf("got %v", err)
	}
}

// Many Pods at once: different Pods side by side, and the same one several times, in the order of its requests.
func TestManyPodsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.serve()
	before := w.snapshot()
	const count = 24
	pods := make([]string, count)
	results := make([][]byte, count)
	for i := range count {
		pods[i] = nettest.Namespace(t, "sluice-attach")
		results[i] = w.primary(fmt.Sprintf("c%d", i), pods[i], "4")
	}
	var mu sync.Mutex
	var times []time.Duration
	each := func(verb string, repeat int) {
		var group sync.WaitGroup
		for i := range count * repeat {
			i %= count
			group.Go(func() {
				started := time.Now()
				_, err := w.sluice(verb, fmt.Sprintf("c%d", i), fmt.Sprintf("p%d", i), pods[i], results[i])
				mu.Lock()
				defer mu.Unlock()
				times = append(times, time.Since(started))
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	started := time.Now()
	each("ADD", 2)
	t.Logf("%d Pods, each added twice at once: %v in all", count, time.Since(started))
	list := w.a.Attachments()
	numbers := map[uint32]bool{}
	for _, at := range list {
		numbers[at.OFPort] = true
	}
	if len(list) != count || len(numbers) != count {
		t.Errorf("%d attachments with %d port numbers, want %d", len(list), len(numbers), count)
	}
	for i := range count {
		w.pings(w.ns, fmt.Sprintf("10.1.0.%d", i+2))
	}
	if r, err := w.a.Reconcile(w.ctx); err != nil || r.Total() != 0 {
		t.Errorf("repaired %+v, %v", r, err)
	}
	each("DEL", 2)
	if n := len(w.a.Attachments()); n != 0 {
		t.Errorf("%d are left", n)
	}
	for i := range count {
		id := fmt.Sprintf("c%d", i)
		if err := w.cni().DelNetworkList(w.ctx, w.network(false, 1500, "4"), runtimeConf(id, id, pods[i])); err != nil {
			t.Error(err)
		}
	}
	w.same("after all", w.snapshot(), before)
}

// TestAddTime says what sluice-cni adds to the time of ADD, process start included.
func TestAddTime(t *testing.T) {
	w := newQuietWorld(t)
	w.serve()
	const count = 30
	var inside, whole []time.Duration
	for i := range count {
		pod, id := nettest.Namespace(t, "sluice-attach"), fmt.Sprintf("c%d", i)
		prev := w.primary(id, pod, "4")
		started := time.Now()
		w.must(w.sluice("ADD", id, "p"+id, pod, prev))
		whole = append(whole, time.Since(started))
		w.must(w.sluice("DEL", id, "p"+id, pod, prev))
		q := runtimeConf(id, "p"+id, pod)
		started = time.Now()
		response := w.a.Handle(w.ctx, request("ADD", q, prev))
		if response.Error != nil {
			t.Fatal(response.Error)
		}
		inside = append(inside, time.Since(started))
	}
	slices.Sort(inside)
	slices.Sort(whole)
	t.Logf("ADD of %d Pods one after the other: p50 %v, p99 %v in the agent; p50 %v, p99 %v with the plugin's process",
		count, inside[count/2], inside[count-1], whole[count/2], whole[count-1])
	if limit := 2 * time.Second; whole[count/2] > limit {
		t.Errorf("half of the ADDs take longer than %v", limit)
	}
}
