package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// plugins are the directories of the CNI plugins: the real ptp and host-local, and sluice-cni.
var plugins []string

// madePlugins is the one that buildPlugins makes.
var madePlugins string

// buildPlugins finds them where SLUICE_BIN says that `make build` put them, or builds them, once, for the first test that
// needs them.
var buildPlugins = sync.OnceValue(func() (err error) {
	if bin := os.Getenv("SLUICE_BIN"); bin != "" {
		plugins = []string{bin, filepath.Join(bin, "cni")}
		return nil
	}
	if madePlugins, err = os.MkdirTemp("", "sluice-cni-plugins"); err != nil {
		return err
	}
	plugins = []string{madePlugins}
	build := exec.Command("go", "build", "-o", madePlugins+"/",
		"github.com/containernetworking/plugins/plugins/main/ptp",
		"github.com/containernetworking/plugins/plugins/ipam/host-local",
		"github.com/sluice-net/sluice/cni/sluice-cni")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the CNI plugins: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if madePlugins != "" {
		os.RemoveAll(madePlugins)
	}
	os.Exit(code)
}

// fakeNode stands for the datapath. The bridge forwards by itself, with one flow, so that there is something to ping.
type fakeNode struct {
	mu       sync.Mutex
	pods     map[podKey]Pod
	attached int
	fail     error
	wrong    []error       // what CheckPod finds
	block    chan struct{} // if not nil, AttachPod waits for it or for ctx
	entered  chan struct{}
}

func (n *fakeNode) AttachPod(ctx context.Context, p Pod) error {
	if n.block != nil {
		n.entered <- struct{}{}
		select {
		case <-n.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return n.fail
	}
	n.attached++
	n.pods[podKey{p.Namespace, p.Name}] = p
	return nil
}

func (n *fakeNode) DetachPod(_ context.Context, namespace, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, podKey{namespace, name})
	return nil
}

func (n *fakeNode) ReleasePod(_ context.Context, namespace, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, known := n.pods[podKey{namespace, name}]; known {
		p.SendsOnly = true
		n.pods[podKey{namespace, name}] = p
	}
	return nil
}

func (n *fakeNode) AdoptPod(ctx context.Context, p Pod, connections []hostnet.Connection) (int, error) {
	return len(connections), n.AttachPod(ctx, p)
}

func (n *fakeNode) CheckPod(_ context.Context, p Pod) ([]error, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, there := n.pods[podKey{p.Namespace, p.Name}]; !there {
		return []error{fmt.Errorf("Pod %s/%s has no flows", p.Namespace, p.Name)}, nil
	}
	return n.wrong, nil
}

func (n *fakeNode) pod(name string) (Pod, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok := n.pods[podKey{"shop", name}]
	return p, ok
}

// world is a node in its own network namespace with its own Open vSwitch and an Attacher.
type world struct {
	t      *testing.T
	ctx    context.Context
	ns     string // name
	ovs    *ovstest.Instance
	db     *ovsdb.Client
	host   *hostnet.Host
	node   *fakeNode
	a      *Attacher
	socket string
	dir    string
}

// newWorld lets the test run beside others: most of their time is waiting for the kernel's duplicate address detection.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newQuietWorld(t)
}

// newQuietWorld is for tests that measure time.
func newQuietWorld(t *testing.T) *world {
	t.Helper()
	if err := buildPlugins(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, ns: nettest.Namespace(t, "sluice-attach"), dir: t.TempDir(), node: &fakeNode{pods: map[podKey]Pod{}}}
	w.ovs = ovstest.Start(t, ovstest.Options{NetNS: w.ns, Datapath: ovstest.Datapath()})
	w.socket = filepath.Join(w.ovs.Dir, "cni.sock")
	var err error
	if w.db, err = ovsdb.Connect(ctx, "unix:"+w.ovs.DBSocket, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	if w.host, err = hostnet.At("/run/netns/" + w.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.host.Close)
	w.a = w.newAttacher()
	if list, err := w.a.Restore(ctx); err != nil || len(list) != 0 {
		t.Fatalf("restore on a new node: %v, %v", list, err)
	}
	w.ovs.OFCtl("br-sluice", "add-flow", "priority=0,actions=NORMAL")
	return w
}

func (w *world) newAttacher() *Attacher {
	w.t.Helper()
	a, err := New(Options{
		Host: w.host, OVS: w.db, Node: w.node, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		Bridge: ovsdb.BridgeOptions{Name: "br-sluice", DatapathType: ovstest.Datapath()},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// serve answers the plugin until the test ends or stop is called.
func (w *world) serve() (stop func()) {
	w.t.Helper()
	s, err := Listen(w.socket, w.a, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Error(err)
			}
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// nsExec runs CNI plugins in the node's network namespace.
type nsExec struct {
	invoke.DefaultExec
	ns string
}

func (e *nsExec) ExecPlugin(ctx context.Context, path string, stdin []byte, env []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+e.ns, "--", path)
	cmd.Env = env
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		var told types.Error
		if json.Unmarshal(stdout.Bytes(), &told) == nil && told.Msg != "" {
			return nil, &told
		}
		return nil, fmt.Errorf("%s: %w: %s%s", path, err, &stdout, &stderr)
	}
	return stdout.Bytes(), nil
}

func (w *world) cni() *libcni.CNIConfig {
	return libcni.NewCNIConfigWithCacheDir(plugins, filepath.Join(w.dir, "cache"), &nsExec{ns: w.ns})
}

// network is a list of plugins: ptp for both families, then sluice-cni if chained.
func (w *world) network(chained bool, mtu int, families ...string) *libcni.NetworkConfigList {
	w.t.Helper()
	ranges := map[string]string{"4": `[{"subnet":"10.1.0.0/24"}]`, "6": `[{"subnet":"fd00:1::/64"}]`}
	var chosen []string
	for _, f := range families {
		chosen = append(chosen, ranges[f])
	}
	text := fmt.Sprintf(`{"type":"ptp","mtu":%d,"ipam":{"type":"host-local","dataDir":%q,"ranges":[%s]}}`, mtu, w.dir+"/ipam", strings.Join(chosen, ","))
	if chained {
		text += fmt.Sprintf(`,{"type":"sluice-cni","socket":%q}`, w.socket)
	}
	list, err := libcni.NetworkConfFromBytes([]byte(`{"cniVersion":"1.1.0","name":"podnet","plugins":[` + text + `]}`))
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func runtimeConf(containerID, podName, netns string) *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: containerID, NetNS: "/run/netns/" + netns, IfName: "eth0",
		Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "shop"}, {"K8S_POD_NAME", podName}, {"K8S_POD_UID", "uid-" + podName}},
	}
}

// primary runs ptp alone and returns its result.
func (w *world) primary(containerID, netns string, families ...string) json.RawMessage {
	w.t.Helper()
	result, err := w.cni().AddNetworkList(w.ctx, w.network(false, 1500, families...), runtimeConf(containerID, containerID, netns))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// sluice runs sluice-cni alone. The result is its standard output.
func (w *world) sluice(verb, containerID, podName, netns string, prevResult json.RawMessage, extra ...string) ([]byte, error) {
	w.t.Helper()
	config := map[string]any{"cniVersion": "1.1.0", "name": "podnet", "type": "sluice-cni", "socket": w.socket}
	if prevResult != nil {
		config["prevResult"] = prevResult
	}
	for i := 0; i < len(extra); i += 2 {
		config[extra[i]] = json.RawMessage(extra[i+1])
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(config); err != nil {
		w.t.Fatal(err)
	}
	path := ""
	if netns != "" {
		path = "/run/netns/" + netns
	}
	return (&nsExec{ns: w.ns}).ExecPlugin(w.ctx, plugins[0]+"/sluice-cni", text.Bytes(), []string{
		"CNI_COMMAND=" + verb, "CNI_CONTAINERID=" + containerID, "CNI_NETNS=" + path, "CNI_IFNAME=eth0", "CNI_PATH=" + strings.Join(plugins, ":"),
		"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=" + podName + ";K8S_POD_UID=u1",
	})
}

// must fails the test if the plugin failed.
func (w *world) must(out []byte, err error) []byte {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// code is the CNI error code; 0 for another error.
func code(err error) uint {
	var e *types.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// snapshot is all that Sluice may change on the node and must put back: addresses, routes of all tables, neighbours,
// nftables rules, ports. Link-local addresses come a moment after a link is set up, and an IPv6 address's local route when
// the kernel has found no duplicate: they are left out.
func (w *world) snapshot(podNS ...string) string {
	w.t.Helper()
	var b strings.Builder
	section := func(title, text string) {
		fmt.Fprintf(&b, "# %s\n", title)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "local fd00") || strings.Contains(line, "fe80") || strings.Contains(line, "ff00::/8") || strings.Contains(line, "ff02") {
				continue
			}
			b.WriteString(strings.ReplaceAll(line, " tentative", ""))
		}
		b.WriteByte('\n')
	}
	for _, args := range []string{
		"-o addr", "-d -4 route show table all", "-d -6 route show table all", "neigh show nud permanent", "neigh show proxy", "-6 neigh show proxy", "-o link show sluice-gw0",
	} {
		section(args, nettest.Run(w.t, append([]string{"ip", "-n", w.ns}, strings.Fields(args)...)...))
	}
	section("nft", w.inNS("nft", "list", "ruleset"))
	section("ports", w.ovs.Run("ovs-vsctl", "list-ports", "br-sluice"))
	for _, pod := range podNS {
		section("offload "+pod, nettest.Run(w.t, "nsenter", "--net=/run/netns/"+pod, "ethtool", "-k", "eth0"))
	}
	return b.String()
}

func (w *world) inNS(args ...string) string {
	w.t.Helper()
	return nettest.Enter(w.t, w.ns, args...)
}

// same fails the test with the lines that differ.
func (w *world) same(what, got, want string) {
	w.t.Helper()
	if got == want {
		return
	}
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range a {
		if !slices.Contains(b, line) {
			w.t.Errorf("%s: now there is %q", what, line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			w.t.Errorf("%s: there is no longer %q", what, line)
		}
	}
	if !w.t.Failed() {
		w.t.Errorf("%s: the order differs:\n%s\n%s", what, got, want)
	}
}

func (w *world) pings(ns string, addresses ...string) {
	w.t.Helper()
	for _, addr := range addresses {
		if out, err := exec.Command("nsenter", "--net=/run/netns/"+ns, "ping", "-c", "1", "-w", "5", addr).CombinedOutput(); err != nil {
			w.t.Errorf("ping %s from %s: %v: %s", addr, ns, err, out)
		}
	}
}

// request is what sluice-cni would send.
func request(verb string, conf *libcni.RuntimeConf, prev json.RawMessage) *wire.Request {
	args := map[string]string{}
	for _, pair := range conf.Args {
		args[pair[0]] = pair[1]
	}
	return &wire.Request{
		Command: verb, ContainerID: conf.ContainerID, Netns: conf.NetNS, IfName: conf.IfName, Args: args,
		Config: fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"podnet","prevResult":%s}`, prev),
	}
}
