package api

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

// node is an agent in a network namespace with an Open vSwitch of its own, which
// reaches the API server on the machine's loopback address.
type node struct {
	t      testing.TB
	name   string
	ns     string
	dir    string
	state  string
	config string
	agent  *exec.Cmd
	ended  chan struct{} // closed when it has
	log    *os.File

	received atomic.Int64 // bytes that came from the API server
}

// newNode makes a node that is known to the API, without its agent.
func newNode(t testing.TB, api *controlplane.Server, w writer, name string, more map[string]any) *node {
	t.Helper()
	n := &node{t: t, name: name, ns: nettest.Namespace(t, "sluice-api")}
	n.reach(strings.TrimPrefix(api.URL(), "https://"))
	ovs := ovstest.Start(t, ovstest.Options{NetNS: n.ns})
	n.dir = ovs.Dir // its paths are short enough for sockets
	n.state = filepath.Join(t.TempDir(), "state")
	config := map[string]any{
		"nodeName": name, "kubernetes": map[string]any{"kubeconfig": api.Admin(), "namespace": "default"},
		"ovs":         map[string]any{"database": "unix:" + ovs.DBSocket, "runDir": ovs.Dir, "datapath": "netdev"},
		"cni":         map[string]any{"install": false},
		"stateDir":    n.state,
		"cniSocket":   filepath.Join(n.dir, "cni.sock"),
		"adminSocket": filepath.Join(n.dir, "admin.sock"),
	}
	for k, v := range more {
		config[k] = v
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	n.config = filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(n.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if n.log, err = os.Create(filepath.Join(t.TempDir(), "agent.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.stop(syscall.SIGTERM)
		if t.Failed() {
			text, _ := os.ReadFile(n.log.Name()) // there may be nothing to show
			t.Logf("the log of the agent on %s:\n%s", name, text[max(0, len(text)-6000):])
		}
		n.log.Close()
	})
	w.apply(nodeManifest, name)
	return n
}

const nodeManifest = `{apiVersion: v1, kind: Node, metadata: {name: %s},
  spec: {taints: [{key: node.sluice.dev/agent-not-ready, effect: NoSchedule}, {key: other, effect: NoSchedule}]}}`

func program(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run `make build`", err)
	}
	return path
}

// start starts the agent.
func (n *node) start() {
	n.t.Helper()
	n.agent = exec.Command("nsenter", "--net=/run/netns/"+n.ns, program(n.t, "sluice-agent"), "--config", n.config)
	n.agent.Stdout, n.agent.Stderr = n.log, n.log
	n.agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		// The agent is to end with the test, and the signal comes with the end of the
		// thread that started it (prctl(2), PR_SET_PDEATHSIG): this one waits.
		runtime.LockOSThread()
		defer close(n.ended)
		err := n.agent.Start()
		started <- err
		if err == nil {
			_ = n.agent.Wait() // a signal is what it was sent
		}
	}()
	if err := <-started; err != nil {
		n.t.Fatal(err)
	}
}

// stop ends the agent with a signal, if it runs.
func (n *node) stop(signal syscall.Signal) {
	if n.agent == nil {
		return
	}
	_ = n.agent.Process.Signal(signal) // it may have ended
	<-n.ended
	n.agent = nil
}

// status is what `sluicectl status` shows.
func (n *node) status() (s agent.Status, err error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program(n.t, "sluicectl"), "status", "--socket", filepath.Join(n.dir, "admin.sock"), "-o", "json").Output()
	if len(out) == 0 {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

// await waits until the agent's status is as it should be.
func (n *node) await(what string, is func(agent.Status) bool) agent.Status {
	n.t.Helper()
	var s agent.Status
	var err error
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		if s, err = n.status(); err == nil && is(s) {
			return s
		}
	}
	n.t.Fatalf("in vain on %s: %s; the status is %+v, %v", n.name, what, s, err)
	return s
}

// reach makes an address of the machine be reachable as the same one in the
// node's namespace.
func (n *node) reach(address string) {
	n.t.Helper()
	var inside net.Listener
	nettest.Do(n.t, n.ns, func() (err error) {
		inside, err = net.Listen("tcp", address)
		return err
	})
	var links sync.WaitGroup
	links.Go(func() {
		for {
			near, err := inside.Accept()
			if err != nil {
				return
			}
			links.Go(func() { n.join(near, address) })
		}
	})
	n.t.Cleanup(func() { inside.Close(); n.stop(syscall.SIGKILL); links.Wait() })
}

// join copies between a connection and another one to an address until one ends.
func (n *node) join(near net.Conn, address string) {
	defer near.Close()
	far, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		defer near.Close()
		_, _ = io.Copy(near, io.TeeReader(far, counter{&n.received})) // the end of either is the end of both
	}()
	_, _ = io.Copy(far, near)
}

// counter counts what is written to it.
type counter struct{ bytes *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.bytes.Add(int64(len(b)))
	return len(b), nil
}
