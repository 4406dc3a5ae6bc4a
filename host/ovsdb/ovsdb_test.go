package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/ovstest"
)

const testBridge = "br-sluice"

var gatewayMAC = net.HardwareAddr{2, 0x73, 0x6c, 0x75, 0x69, 0x63}

func start(t *testing.T) (context.Context, *ovstest.Instance, *Client) {
	t.Helper()
	ovs := ovstest.Start(t, ovstest.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx, ovs, connect(ctx, t, ovs)
}

func connect(ctx context.Context, t *testing.T, ovs *ovstest.Instance) *Client {
	t.Helper()
	c, err := Connect(ctx, "unix:"+ovs.DBSocket, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func bridge(ctx context.Context, t *testing.T, c *Client) Bridge {
	t.Helper()
	b, err := c.EnsureBridge(ctx, BridgeOptions{Name: testBridge, DatapathType: NetdevDatapath})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBridgeIsSecureFromTheStartAndLeftAlone(t *testing.T) {
	ctx, ovs, c := start(t)
	first := bridge(ctx, t, c)
	if !first.Created || first.HardwareAddr == nil || len(first.DatapathID) != 16 {
		t.Errorf("new bridge: %+v", first)
	}
	if got := ovs.Run("ovs-vsctl", "get-fail-mode", testBridge); strings.TrimSpace(got) != "secure" {
		t.Errorf("fail_mode is %q", got)
	}
	ovs.OFCtl(testBridge, "add-flow", "table=3,priority=7,actions=drop")
	second := bridge(ctx, t, connect(ctx, t, ovs))
	if second.Created || second.HardwareAddr.String() != first.HardwareAddr.String() || second.DatapathID != first.DatapathID {
		t.Errorf("second look: %+v, first %+v", second, first)
	}
	if got := ovs.OFCtl(testBridge, "dump-flows"); !strings.Contains(got, "priority=7") {
		t.Errorf("a flow was lost by EnsureBridge: %s", got)
	}
	if _, err := c.EnsureBridge(ctx, BridgeOptions{Name: testBridge, DatapathType: SystemDatapath}); err == nil ||
		!strings.Contains(err.Error(), "ovs-vsctl del-br br-sluice") {
		t.Errorf("another datapath type: %v", err)
	}
	ovs.Run("ovs-vsctl", "set-fail-mode", testBridge, "standalone")
	eventually(ctx, t, c, func() bool {
		row := &bridgeRow{Name: testBridge}
		found, err := find(ctx, c, row)
		return found && err == nil && *row.FailMode == "standalone"
	})
	bridge(ctx, t, c)
	if got := ovs.Run("ovs-vsctl", "get-fail-mode", testBridge); strings.TrimSpace(got) != "secure" {
		t.Errorf("fail_mode was not repaired: %q", got)
	}
}

func eventually(ctx context.Context, t *testing.T, c *Client, done func() bool) {
	t.Helper()
	if err := c.until(ctx, func() (bool, error) { return done(), nil }); err != nil {
		t.Fatal(err)
	}
}

func TestGatewayHasAddressAndMTU(t *testing.T) {
	ctx, ovs, c := start(t)
	bridge(ctx, t, c)
	opts := GatewayOptions{Bridge: testBridge, Name: "sluice-gw0", MAC: gatewayMAC, MTU: 1400, OFPort: 2}
	for _, mtu := range []int{1400, 1400, 8900, 1300} {
		opts.MTU = mtu
		number, err := c.EnsureGateway(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		if number != 2 {
			t.Errorf("port number %d, want 2", number)
		}
		got := ovs.Run("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", ovs.SwitchdPID()), "ip", "-o", "link", "show", "sluice-gw0")
		if !strings.Contains(got, fmt.Sprintf("mtu %d ", mtu)) || !strings.Contains(got, gatewayMAC.String()) {
			t.Errorf("gateway with MTU %d: %s", mtu, got)
		}
	}
}

func TestPortsComeAndGo(t *testing.T) {
	ctx, ovs, c := start(t)
	bridge(ctx, t, c)
	inNetNS(ovs, "ip", "link", "add", "veth1", "type", "veth", "peer", "name", "veth2")
	ids := map[string]string{"sluice-pod-name": "a", "sluice-undo": `{"routes":["10.1.0.2/32 \"x\""]}`}
	number, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "veth1", ExternalIDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	if number != firstNumber {
		t.Errorf("port number %d, want %d", number, firstNumber)
	}
	ids["more"] = "x"
	again, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "veth1", ExternalIDs: ids})
	if err != nil || again != number {
		t.Errorf("added again: %d, %v; want %d", again, err, number)
	}
	fresh := connect(ctx, t, ovs)
	ports, err := fresh.Ports(ctx, testBridge)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(ports, func(p Port) bool { return p.Name == "veth1" })
	if len(ports) != 2 || at < 0 || ports[at].OFPort != number || ports[at].ExternalIDs["sluice-undo"] != ids["sluice-undo"] || ports[at].ExternalIDs["more"] != "x" {
		t.Errorf("ports as another process sees them: %+v", ports)
	}
	var refused *RefusedError
	if _, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "absent0"}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "No such device") {
		t.Errorf("port without a device: %v", err)
	}
	if _, found, err := c.Port(ctx, "absent0"); found || err != nil {
		t.Errorf("the refused port is still there (%v)", err)
	}
	ovs.AddBridge("br-other")
	inNetNS(ovs, "ip", "link", "add", "veth3", "type", "veth", "peer", "name", "veth4")
	ovs.Run("ovs-vsctl", "add-port", "br-other", "veth3")
	eventually(ctx, t, c, func() bool { owner, err := c.Owner(ctx, "veth3"); return owner == "br-other" && err == nil })
	var other *OtherBridgeError
	if _, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "veth3"}); !errors.As(err, &other) || other.Bridge != "br-other" {
		t.Errorf("port of another bridge: %v", err)
	}
	if err := c.DelPort(ctx, testBridge, "veth3"); !errors.As(err, &other) {
		t.Errorf("another bridge's port was deleted: %v", err)
	}
	if _, err := c.AddPort(ctx, PortOptions{Bridge: "br-none", Name: "veth2"}); err == nil || !strings.Contains(err.Error(), "there is no bridge br-none") {
		t.Errorf("port of a bridge that is not there: %v", err)
	}
	for range 2 {
		if err := c.DelPort(ctx, testBridge, "veth1"); err != nil {
			t.Error(err)
		}
	}
	if got := ovs.Run("ovs-vsctl", "list-ports", testBridge); strings.TrimSpace(got) != "" {
		t.Errorf("ports left: %s", got)
	}
	for range 2 {
		if err := c.DeleteBridge(ctx, testBridge); err != nil {
			t.Error(err)
		}
	}
	if got := ovs.Run("ovs-vsctl", "list-br"); strings.TrimSpace(got) != "br-other" {
		t.Errorf("bridges left: %s", got)
	}
}

func inNetNS(ovs *ovstest.Instance, args ...string) {
	ovs.Run("nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", ovs.SwitchdPID())}, args...)...)
}

func TestManyPortsAtOnceGetDifferentNumbers(t *testing.T) {
	ctx, ovs, c := start(t)
	bridge(ctx, t, c)
	const count = 12
	numbers := make([]uint32, count)
	var group sync.WaitGroup
	for i := range count {
		inNetNS(ovs, "ip", "link", "add", fmt.Sprintf("v%d", i), "type", "veth", "peer", "name", fmt.Sprintf("w%d", i))
		group.Go(func() {
			var err error
			if numbers[i], err = c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: fmt.Sprintf("v%d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	slices.Sort(numbers)
	if got := len(slices.Compact(slices.Clone(numbers))); got != count {
		t.Errorf("%d different numbers of %d: %v", got, count, numbers)
	}
}

func TestNumbersAndConnectionSurviveRestarts(t *testing.T) {
	ctx, ovs, c := start(t)
	bridge(ctx, t, c)
	inNetNS(ovs, "ip", "link", "add", "veth1", "type", "veth", "peer", "name", "veth2")
	inNetNS(ovs, "ip", "link", "add", "veth3", "type", "veth", "peer", "name", "veth4")
	if _, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "veth1"}); err != nil {
		t.Fatal(err)
	}
	number, err := c.AddPort(ctx, PortOptions{Bridge: testBridge, Name: "veth3"})
	if err != nil {
		t.Fatal(err)
	}
	ovs.KillDatabase()
	ovs.StartDatabase()
	if err := c.WaitApplied(ctx); err != nil {
		t.Fatalf("after ovsdb-server came back: %v", err)
	}
	if port, found, err := c.Port(ctx, "veth3"); err != nil || !found || port.OFPort != number {
		t.Errorf("after ovsdb-server came back: %+v %v %v, want number %d", port, found, err, number)
	}
	ovs.KillSwitchd()
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := c.WaitApplied(short); !errors.Is(err, ErrNotApplied) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without ovs-vswitchd: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := Connect(ctx, "unix:"+t.TempDir()+"/db.sock", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "is ovsdb-server running?") {
		t.Errorf("got %v", err)
	}
}

func TestDatapathIsChosenByWhatTheKernelHas(t *testing.T) {
	ctx, _, c := start(t)
	types, err := c.DatapathTypes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(types, NetdevDatapath) {
		t.Errorf("datapath types: %v", types)
	}
	kernel, err := KernelDatapath()
	if err != nil {
		t.Fatal(err)
	}
	want := map[bool]string{true: SystemDatapath, false: NetdevDatapath}[kernel]
	if got, err := c.ChooseDatapath(ctx); err != nil || got != want {
		t.Errorf("chosen %q, %v; want %q", got, err, want)
	}
}
