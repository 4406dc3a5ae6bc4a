package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/tests/nettest"
)

// After an uninstallation the node is as it was before the agent first
// started: links, addresses, routes, rules, nftables, kernel settings and the
// directory of CNI configurations. Connections of the Pods go on.
func TestUninstallLeavesNothing(t *testing.T) {
	w := newWorld(t)
	web, cli := w.pod("web"), w.pod("cli")
	cni := t.TempDir()
	primary := `{"cniVersion":"1.0.0","name":"podnet","plugins":[{"type":"ptp"}]}`
	if err := os.WriteFile(filepath.Join(cni, "10-ptp.conflist"), []byte(primary), 0o600); err != nil {
		t.Fatal(err)
	}
	nettest.Enter(t, w.ns, "nft", "add table netdev other")
	devices := func() string { return nettest.Enter(t, w.ns, "ip", "-o", "-d", "link", "show") }
	before, links := w.snapshot(), names(devices())
	w.start()
	install := true
	w.a.Config.CNI = CNIConfig{Install: &install, ConfDir: cni}
	w.a.Config.CNISocket = filepath.Join(w.ovs.Dir, "cni.sock")
	w.a.Config.StateDir = filepath.Join(t.TempDir(), "state")
	for _, kept := range []string{w.a.moduleDir(), w.a.configMapDir()} {
		if err := os.MkdirAll(kept, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(kept, "digest"), []byte("wasm"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.a.conflist, err = newChain(w.a); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.a.conflist.run(w.ctx) }()
	ours := filepath.Join(cni, "05-sluice.conflist")
	soon(t, func() bool { _, err := os.Stat(ours); return err == nil }, func() string { return "there is no chained list" })
	w.isolate(allowedPort)

	w.must(w.cni("ADD", web)) // one by CNI, the other adopted
	w.adopt(cli)
	c := servers{}.open(t, "download", cli.ns, web.ns, web.v4, allowedPort)
	f := stream(c.server, c.client)
	t.Cleanup(func() { close(f.stop); f.parts.Wait() })
	f.goesOn(t, "before")
	if w.snapshot() == before {
		t.Fatal("the snapshot does not show that Sluice is installed")
	}
	for range 2 { // it may be repeated
		if _, err := w.a.uninstall(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("longest gap of a download from Pod to Pod: %v", f.goesOn(t, "uninstalled"))
	// ovs-vswitchd removes the userspace datapath's own device with the last bridge, a moment later.
	soon(t, func() bool { return names(devices()) == links }, func() string { return "links now:\n" + devices() + "\nbefore:\n" + links })
	w.same("after uninstalling", w.snapshot(), before)
	if strings.Contains(w.ovs.Run("ovs-vsctl", "list-br"), "br-sluice") {
		t.Error("the bridge is left")
	}
	entries, err := os.ReadDir(cni)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the CNI directory: %v, %v", entries, err)
	}
	if text, err := os.ReadFile(filepath.Join(cni, "10-ptp.conflist")); err != nil || string(text) != primary {
		t.Errorf("the primary's own is %q, %v", text, err)
	}
	if _, err := os.Stat(w.a.Config.StateDir); !os.IsNotExist(err) {
		t.Errorf("the agent's own directory is left: %v", err)
	}
	if _, err := os.Stat(wire.RetiredFile(w.a.Config.CNISocket)); err != nil {
		t.Errorf("nothing tells sluice-cni to agree to a DEL: %v", err)
	}
	for _, verb := range []string{"ADD", "STATUS"} {
		if r := w.cni(verb, web); r.Error == nil || r.Error.Code != types.ErrPluginNotAvailable {
			t.Errorf("%s after uninstalling: %v", verb, r.Error)
		}
	}
	w.must(w.cni("DEL", web))
	if r, err := w.a.attacher.Reconcile(w.ctx); err != nil || r.Total() != 0 {
		t.Errorf("something is repaired after uninstalling: %+v, %v", r, err)
	}
	w.same("later", w.snapshot(), before)
}

// names are the links of the node.
func names(links string) string {
	var all []string
	for line := range strings.Lines(links) {
		fields := strings.SplitN(line, ":", 3)
		all = append(all, strings.TrimSpace(fields[1]))
	}
	return strings.Join(all, " ")
}

// Pods that run when the agent comes are adopted by it, and only those: not
// one that was ejected.
func TestExistingPodsAreAdopted(t *testing.T) {
	w := newWorld(t)
	web, cli := w.pod("web"), w.pod("cli")
	w.start()
	if failed := w.a.adoptUnseen(w.ctx); len(failed) != 0 {
		t.Fatalf("failed: %v", failed)
	}
	if n := len(w.a.attacher.Attachments()); n != 2 {
		t.Fatalf("%d Pods are on the bridge, want 2", n)
	}
	w.eject(web)
	if failed := w.a.adoptUnseen(w.ctx); len(failed) != 0 || len(w.a.attacher.Attachments()) != 1 {
		t.Errorf("failed: %v; on the bridge: %+v", failed, w.a.attacher.Attachments())
	}
	// The runtime, which knows the other Pod by its container, ends it.
	w.must(w.cni("CHECK", cli))
	w.must(w.cni("DEL", cli))
	if list := w.a.attacher.Attachments(); len(list) != 0 {
		t.Errorf("on the bridge: %+v", list)
	}
}

// A Pod whose ADD is under way while it is adopted stays on the bridge, under
// the name that the runtime gives it.
func TestAddOfAnAdoptedPod(t *testing.T) {
	w := newWorld(t)
	web := w.pod("web")
	before := w.snapshot()
	w.start()
	w.adopt(web)
	number := w.a.attacher.Attachments()[0].OFPort
	w.must(w.cni("ADD", web))
	if list := w.a.attacher.Attachments(); len(list) != 1 || list[0].ContainerID != "container-web" || list[0].OFPort != number {
		t.Errorf("on the bridge: %+v", list)
	}
	w.must(w.cni("CHECK", web))
	w.must(w.cni("DEL", web))
	w.same("after DEL", w.snapshot(), before)
}

func TestWhatCannotBeAdopted(t *testing.T) {
	w := newWorld(t)
	web, gone := w.pod("web"), w.pod("gone")
	w.start()
	nettest.Run(t, "ip", "-n", w.ns, "link", "del", gone.veth)
	w.pods = w.pods[:1]
	stranger := w.running(web)
	stranger.Addresses = append(stranger.Addresses, w.running(gone).Addresses[0])
	before := w.snapshot()
	for what, c := range map[string]struct {
		pod  func() error
		want string
	}{
		"no route":          {func() error { _, err := w.a.attacher.Adopt(w.ctx, w.running(gone)); return err }, "no host route through a veth"},
		"another's address": {func() error { _, err := w.a.attacher.Adopt(w.ctx, stranger); return err }, "out of date"},
	} {
		if err := c.pod(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "shop/") {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.same("after refusals", w.snapshot(), before)
}
