package attach

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/sluice-net/sluice/tests/nettest"
)

func TestChainOfRealPlugins(t *testing.T) {
	w := newWorld(t)
	w.serve()
	before := w.snapshot()
	pod := nettest.Namespace(t, "sluice-attach")
	list, conf := w.network(true, 1400, "4", "6"), runtimeConf("c1", "web", pod)
	result, err := w.cni().AddNetworkList(w.ctx, list, conf)
	if err != nil {
		t.Fatal(err)
	}
	got, err := current.GetResult(result)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.IPs) != 2 || len(got.Interfaces) != 2 || got.Interfaces[1].Sandbox != "/run/netns/"+pod {
		t.Errorf("result: %v", got)
	}
	at := w.a.Attachments()
	if len(at) != 1 || at[0].Namespace != "shop" || at[0].Name != "web" || at[0].UID != "uid-web" || at[0].Network != "podnet" ||
		at[0].MTU != 1400 || len(at[0].Addresses) != 2 || at[0].Veth != got.Interfaces[0].Name || at[0].MAC.String() != got.Interfaces[1].Mac {
		t.Errorf("attachments: %+v", at)
	}
	if p, ok := w.node.pod("web"); !ok || p.OFPort != at[0].OFPort || p.OFPort == 0 {
		t.Errorf("the datapath got %+v", p)
	}
	w.pings(w.ns, "10.1.0.2", "fd00:1::2")
	w.pings(pod, "10.1.0.1", "fd00:1::1")
	routes := nettest.Run(t, "ip", "-n", w.ns, "route", "show", "10.1.0.2") + nettest.Run(t, "ip", "-n", w.ns, "-6", "route", "show", "fd00:1::2")
	if strings.Count(routes, "dev sluice-gw0") != 2 || !strings.Contains(routes, "src 10.1.0.1") || !strings.Contains(routes, " mtu 1400") || !strings.Contains(routes, "mtu lock 1400") {
		t.Errorf("routes: %s", routes)
	}
	if err := w.cni().CheckNetworkList(w.ctx, list, conf); err != nil && !strings.Contains(err.Error(), "ptp") {
		t.Errorf("CHECK: %v", err)
	}
	w.must(w.sluice("CHECK", "c1", "web", pod, mustJSON(t, result)))
	for range 2 {
		if err := w.cni().DelNetworkList(w.ctx, list, conf); err != nil {
			t.Error(err)
		}
	}
	w.same("after DEL", w.snapshot(), before)
	if _, ok := w.node.pod("web"); ok || len(w.a.Attachments()) != 0 {
		t.Error("the Pod is still attached")
	}
}

func mustJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAddThenDelPutsEverythingBack(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4", "6")
	before := w.snapshot(pod)
	prev = json.RawMessage(strings.Replace(string(prev), `"cniVersion"`, `"something-new":{"a":[1,"<&>"]},"cniVersion"`, 1))
	first := w.must(w.sluice("ADD", "c1", "web", pod, prev))
	if !sameJSON(t, first, prev) || !bytes.Contains(first, []byte("something-new")) {
		t.Errorf("the result is %s\nprevResult was %s", first, prev)
	}
	w.settled()
	attached := w.snapshot(pod)
	again := w.must(w.sluice("ADD", "c1", "web", pod, prev))
	if !bytes.Equal(first, again) {
		t.Errorf("ADD again says %s, said %s", again, first)
	}
	w.same("after ADD again", w.snapshot(pod), attached)
	if attached == before {
		t.Error("ADD changed nothing")
	}
	for range 2 {
		w.must(w.sluice("DEL", "c1", "web", pod, prev))
		w.same("after DEL", w.snapshot(pod), before)
	}
	w.must(w.sluice("DEL", "never-seen", "other", "", nil))
	w.must(w.sluice("ADD", "c1", "web", pod, prev))
	w.pings(w.ns, "10.1.0.2", "fd00:1::2")
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	if err := errors.Join(json.Compact(&x, a), json.Compact(&y, b)); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

func TestFailedAddLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.serve()
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4", "6")
	before := w.snapshot(pod)
	w.node.fail = errors.New("flow table full")
	_, err := w.sluice("ADD", "c1", "web", pod, prev)
	if code(err) != CodeStep || !strings.Contains(err.Error(), "install its flows") || !strings.Contains(err.Error(), "flow table full") || !strings.Contains(err.Error(), "shop/web") {
		t.Errorf("got %v", err)
	}
	w.same("after a failed ADD", w.snapshot(pod), before)
	w.node.fail = nil
	w.must(w.sluice("ADD", "c1", "web", pod, prev))
	w.pings(w.ns, "10.1.0.2")
}

func TestOlderContainerOfAPodIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.serve()
	before := w.snapshot()
	old, fresh := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	oldResult := w.primary("c1", old, "4")
	w.must(w.sluice("ADD", "c1", "web", old, oldResult))
	freshResult := w.primary("c2", fresh, "4")
	w.must(w.sluice("ADD", "c2", "web", fresh, freshResult))
	if list := w.a.Attachments(); len(list) != 1 || list[0].ContainerID != "c2" {
		t.Fatalf("attachments: %+v", list)
	}
	w.must(w.sluice("DEL", "c1", "web", old, oldResult)) // late, and not to hit the newer one
	if list := w.a.Attachments(); len(list) != 1 || list[0].ContainerID != "c2" {
		t.Fatalf("attachments after the late DEL: %+v", list)
	}
	w.pings(w.ns, "10.1.0.3")
	w.must(w.sluice("DEL", "c2", "web", fresh, freshResult))
	for _, c := range []struct{ id, ns string }{{"c1", old}, {"c2", fresh}} {
		if err := w.cni().DelNetworkList(w.ctx, w.network(false, 1500, "4"), runtimeConf(c.id, c.id, c.ns)); err != nil {
			t.Error(err)
		}
	}
	w.same("after all", w.snapshot(), before)
}

func TestAddressOfADeadPodIsFreed(t *testing.T) {
	w := newWorld(t)
	w.serve()
	first, second := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", first, "4")
	w.must(w.sluice("ADD", "c1", "web", first, prev))
	third := nettest.Namespace(t, "sluice-attach")
	prevThird := json.RawMessage(strings.ReplaceAll(string(w.primary("c3", third, "4")), "10.1.0.3", "10.1.0.2"))
	if _, err := w.sluice("ADD", "c3", "thief", third, prevThird); code(err) != CodeAddressTaken || !strings.Contains(err.Error(), "shop/web") {
		t.Errorf("an address given twice: %v", err)
	}
	w.pings(w.ns, "10.1.0.2")
	veth := w.a.Attachments()[0].Veth
	nettest.Run(t, "ip", "netns", "del", first) // the Pod dies without a DEL, and IPAM gives its address to the next
	if err := w.cni().DelNetworkList(w.ctx, w.network(false, 1500, "4"), runtimeConf("c1", "c1", first)); err != nil {
		t.Fatal(err)
	}
	w.waitGone(veth)
	list := w.network(false, 1500, "4")
	list.Plugins[0].Bytes = bytes.Replace(list.Plugins[0].Bytes, []byte(`{"subnet":"10.1.0.0/24"}`), []byte(`{"subnet":"10.1.0.0/24","rangeStart":"10.1.0.2","rangeEnd":"10.1.0.2"}`), 1)
	result, err := w.cni().AddNetworkList(w.ctx, list, runtimeConf("c2", "c2", second))
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.sluice("ADD", "c2", "heir", second, mustJSON(t, result)))
	if list := w.a.Attachments(); len(list) != 1 || list[0].Name != "heir" {
		t.Errorf("attachments: %+v", list)
	}
	w.pings(w.ns, "10.1.0.2")
}

func TestProblemsHaveCodeAndRemedy(t *testing.T) {
	w := newWorld(t)
	pod := nettest.Namespace(t, "sluice-attach")
	prev := w.primary("c1", pod, "4")
	before := w.snapshot(pod)
	_, err := w.sluice("ADD", "c1", "web", pod, prev)
	if code(err) != types.ErrTryAgainLater || !strings.Contains(err.Error(), w.socket) || !strings.Contains(err.Error(), "start sluice-agent") {
		t.Errorf("ADD without an agent: %v", err)
	}
	if _, err := w.sluice("DEL", "c1", "web", pod, prev); code(err) != types.ErrTryAgainLater {
		t.Errorf("DEL without an agent: %v", err)
	}
	if _, err := w.sluice("STATUS", "", "", "", nil); code(err) != types.ErrPluginNotAvailable {
		t.Errorf("STATUS without an agent: %v", err)
	}
	stop := w.serve()
	w.ovs.AddBridge("br-other")
	empty, foreign, bridged := nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach"), nettest.Namespace(t, "sluice-attach")
	foreignResult := w.primary("c3", foreign, "4")
	w.ovs.Run("ovs-vsctl", "add-port", "br-other", vethOf(t, foreignResult))
	bridgedResult := w.primary("c4", bridged, "4")
	w.inNS("ip", "link", "add", "br9", "type", "bridge")
	w.inNS("ip", "link", "set", vethOf(t, bridgedResult), "master", "br9")
	for _, c := range []struct {
		name, containerID, netns string
		prev                     json.RawMessage
		code                     uint
		text                     string
	}{
		{"no interface", "c2", empty, prev, CodeNoInterface, "there is no interface eth0"},
		{"no namespace", "c2", "sluice-none", prev, types.ErrInvalidNetNS, "cannot be opened"},
		{"port of another bridge", "c3", foreign, foreignResult, CodeOtherBridge, "br-other"},
		{"slave of a Linux bridge", "c4", bridged, bridgedResult, CodeOtherBridge, "br9"},
		{"no prevResult", "c1", pod, nil, types.ErrInvalidNetworkConfig, "no prevResult"},
		{"garbage for prevResult", "c1", pod, json.RawMessage(`{"cniVersion":"1.1.0","ips":[{"address":"x"}]}`), types.ErrDecodingFailure, "prevResult"},
		{"address of no interface", "c1", pod, json.RawMessage(`{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.2/24","interface":7}]}`), types.ErrDecodingFailure, "names interface 7"},
	} {
		_, err := w.sluice("ADD", c.containerID, "p-"+c.containerID, c.netns, c.prev)
		if code(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: code %d: %v; want code %d with %q", c.name, code(err), err, c.code, c.text)
		}
		var e *types.Error
		if errors.As(err, &e) && e.Details == "" {
			t.Errorf("%s: no remedy", c.name)
		}
	}
	if got := w.snapshot(pod); strings.Contains(got, "drop-") || strings.Contains(got, "dev sluice-gw0 proto boot") {
		t.Errorf("something is left:\n%s", got)
	}
	stop()
	if before == "" || len(w.a.Attachments()) != 0 {
		t.Error("something is attached")
	}
}

func vethOf(t *testing.T, result json.RawMessage) string {
	t.Helper()
	var r current.Result
	if err := json.Unmarshal(result, &r); err != nil {
		t.Fatal(err)
	}
	return r.Interfaces[0].Name
}
