package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	resources "github.com/sluice-net/sluice/host/cluster"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/proxy"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/nettest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

func TestKubeProxy(t *testing.T) {
	if _, err := os.Stat(kubeProxyProgram(t)); err != nil {
		t.Skip("kube-proxy's code is not built; make test-kubeproxy does that, and runs this test")
	}
	out := newTable()
	kubeProxy(t, out, servicesSize{services: 20, endpoints: 3, changes: 6})
	if len(out.Rows) != 4 || out.Rows[0].Ratio == 0 || out.Rows[2].Ratio == 0 || out.Rows[3].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// kubeProxy hands the same Services and EndpointSlices to Sluice's model, up to the
// barrier of a real Open vSwitch, and to kube-proxy's own code in nftables mode, up to
// the end of nft. They take turns.
// Neither waits for more events: kube-proxy does so for a second by default, and what
// reads the API is on neither side.
func kubeProxy(tb testing.TB, out *table, size servicesSize) {
	theirs := startKubeProxy(tb, size)
	theirCold := theirs.next() // neither works while the other is measured
	ovs := ovstest.Start(tb, ovstest.Options{})
	conn, err := of.Dial(tb.Context(), ovs.AddBridge("br0"), of.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	n := newNode(tb, conn)
	n.realise(tb)
	model := proxy.New(proxy.Options{NodeName: "here"})
	observe := func(events ...resources.Event) time.Duration {
		tb.Helper()
		start := time.Now()
		model.Apply(events)
		changes := model.Flush()
		for _, name := range changes.Delete {
			n.dp.DeleteService(name)
		}
		for _, p := range changes.Put {
			if err := n.dp.PutService(p); err != nil {
				tb.Fatal(err)
			}
		}
		if n.realise(tb) == 0 {
			tb.Fatal("nothing was written")
		}
		return time.Since(start)
	}
	before := heap()
	var all []resources.Event
	for i := range size.services {
		all = append(all, serviceObject(i), sliceObject(i, size.endpoints, 0))
	}
	cold := observe(all...)
	what := fmt.Sprintf("%s Services of %d endpoints, ", number(float64(size.services)), size.endpoints)
	out.add(row{
		Work: what + "events to programmed, cold", Figure: millis(cold), Unit: "ms",
		Peer: "kube-proxy, nftables", PeerFigure: millis(theirCold), Aim: ratioAtMost(1).own(),
	})
	clear(all) // the objects are not the model's
	out.add(row{Work: what + "memory of model and datapath", Figure: (heap() - before) / (1 << 20), Unit: "MiB"})
	var own, other []time.Duration
	for i := range size.changes {
		own = append(own, observe(sliceObject((i+1)*7%size.services, size.endpoints, i+1)))
		theirs.ask()
		other = append(other, theirs.next())
	}
	theirs.check(size)
	for _, p := range []float64{50, 99} {
		out.add(row{
			Work: fmt.Sprintf("%sone endpoint moves, event to programmed, p%.0f", what, p), Figure: percentile(own, p), Unit: "ms",
			Peer: "kube-proxy, nftables", PeerFigure: percentile(other, p), Aim: ratioAtMost(1).own(),
		})
	}
}

// peerProxy is the program of tests/kubeproxy/nftables in a network namespace.
type peerProxy struct {
	tb    testing.TB
	netns string
	in    io.Writer
	lines *bufio.Scanner
}

// kubeProxyProgram is made by make kubeproxy-nftables, from a module of its own.
func kubeProxyProgram(tb testing.TB) string {
	return filepath.Join(labtest.Bin(tb), "kubeproxy", "nftables")
}

func startKubeProxy(tb testing.TB, size servicesSize) *peerProxy {
	tb.Helper()
	p := &peerProxy{tb: tb, netns: nettest.Namespace(tb, "slkp")}
	command := exec.CommandContext(tb.Context(), "ip", "netns", "exec", p.netns, kubeProxyProgram(tb), "--services", strconv.Itoa(size.services), "--endpoints", strconv.Itoa(size.endpoints))
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	p.in, p.lines = in, bufio.NewScanner(stdout)
	tb.Cleanup(func() {
		_ = in.Close()
		if err := command.Wait(); err != nil && tb.Context().Err() == nil {
			tb.Errorf("kube-proxy's code: %v", err)
		}
	})
	return p
}

// next is how long the next thing took.
func (p *peerProxy) next() time.Duration {
	p.tb.Helper()
	if !p.lines.Scan() {
		p.tb.Fatalf("kube-proxy's code says nothing more: %v", p.lines.Err())
	}
	nanos, err := strconv.ParseInt(p.lines.Text(), 10, 64)
	if err != nil {
		p.tb.Fatal(err)
	}
	return time.Duration(nanos)
}

// ask makes the next endpoint move.
func (p *peerProxy) ask() {
	p.tb.Helper()
	if _, err := fmt.Fprintln(p.in); err != nil {
		p.tb.Fatal(err)
	}
}

// check looks whether the kernel has all Services, and the endpoints that have moved.
func (p *peerProxy) check(size servicesSize) {
	p.tb.Helper()
	rules := nettest.Enter(p.tb, p.netns, "nft", "list", "table", "ip", "kube-proxy")
	if n := strings.Count(rules, " tcp . 80 : goto service-"); n != size.services {
		p.tb.Errorf("the kernel has %d Services of kube-proxy's, want %d", n, size.services)
	}
	for i := range size.changes {
		// An endpoint that has moved again since is not where it was.
		if i+size.services >= size.changes && !strings.Contains(rules, ": "+movedTo(i+1)+" . 8080") {
			p.tb.Errorf("the kernel does not know that an endpoint has moved to %s", movedTo(i+1))
		}
	}
}

func movedTo(n int) string { return fmt.Sprintf("172.16.%d.%d", n>>8, n&255) }

// serviceObject and sliceObject are the same objects as those of the program.
func serviceObject(i int) resources.Event {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("service-%d", i)}}
	s.Spec.Type, s.Spec.SessionAffinity = corev1.ServiceTypeClusterIP, corev1.ServiceAffinityNone
	s.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", i>>8, i&255)
	s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{s.Spec.ClusterIP}, []corev1.IPFamily{corev1.IPv4Protocol}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}}
	return resources.Event{Op: resources.Put, Resource: resources.Services, Namespace: s.Namespace, Name: s.Name, Object: s}
}

func sliceObject(i, endpoints, moved int) resources.Event {
	name, protocol, port := "http", corev1.ProtocolTCP, int32(8080)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: fmt.Sprintf("service-%d-x", i), Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i)},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Protocol: &protocol, Port: &port}},
	}
	for e := range endpoints {
		at := i*endpoints + e
		address := fmt.Sprintf("10.%d.%d.%d", at>>16, at>>8&255, at&255)
		if e == 0 && moved > 0 {
			address = movedTo(moved)
		}
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return resources.Event{Op: resources.Put, Resource: resources.EndpointSlices, Namespace: s.Namespace, Name: s.Name, Object: s}
}
