package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/ovstest"
)

type threatlistSize struct{ cidrs, objects, changes int }

func TestThreatlist(t *testing.T) {
	out := newTable()
	threatlist(t, out, threatlistSize{cidrs: 2_000, objects: 4, changes: 6})
	for _, miss := range out.missed("flow-mods") {
		t.Error(miss)
	}
	if len(out.Rows) != 9 || out.Rows[0].Ratio == 0 {
		t.Errorf("%+v", out.Rows)
	}
}

// threatlistJob is what the child is told, threatlistReport what it answers.
type threatlistJob struct {
	CIDRs, Objects, Changes int
	Bin, Socket             string
}

type threatlistReport struct {
	Load, Module, Check, Compile, Write time.Duration // of the clock, from the event to the barrier
	AgentCPU, SandboxCPU                time.Duration
	AgentPeak, Agent, SandboxPeak       float64 // bytes
	Flows                               int
	Changes                             []time.Duration // event to barrier
	ChangeMods                          int             // of all changes
	Patrol, PatrolCPU                   time.Duration
}

// threatlist loads long lists through the real module into a real switch, and then
// adds and removes one CIDR at a time. The peer writes the same flows from a file.
func threatlist(tb testing.TB, out *table, size threatlistSize) {
	module := filepath.Join(labtest.Bin(tb), "modules", "threatlist.wasm")
	if _, err := os.Stat(module); err != nil {
		tb.Skipf("%v: see what `make modules` says", err)
	}
	ovs := ovstest.Start(tb, ovstest.Options{})
	socket := ovs.AddBridge("br0")
	empty := resident(tb, ovs.SwitchdPID())
	r := child[threatlistReport](tb, "threatlist", threatlistJob{size.cidrs, size.objects, size.changes, labtest.Bin(tb), socket})
	full := resident(tb, ovs.SwitchdPID())
	peak, err := peakMemory(ovs.SwitchdPID())
	if err != nil {
		tb.Fatal(err)
	}
	theirs := flowsByOFCtl(tb, ovs, socket, r.Flows)

	part := func(d time.Duration) string { return number(d.Seconds()) + " s" }
	what := fmt.Sprintf("threatlist, %s CIDRs in %d objects: ", number(float64(size.cidrs)), size.objects)
	out.add(row{
		Work: what + "flows written, to the barrier", Figure: r.Write.Seconds(), Unit: "s",
		Peer: "ovs-ofctl bundle, the same", PeerFigure: theirs.Seconds(), Aim: ratioAtMost(1).own(),
	})
	out.add(row{
		Work: "  from the event to the barrier", Figure: r.Load.Seconds(), Unit: "s",
		Note: fmt.Sprintf("the module and staging what it asks for %s, difference %s, compiled %s, written %s; processor time of the sandbox %s, of the agent's part %s",
			part(r.Module), part(r.Check), part(r.Compile), part(r.Write), part(r.SandboxCPU), part(r.AgentCPU)),
	})
	out.add(row{Work: "  flows", Figure: float64(r.Flows), Unit: "flows"})
	mib := func(bytes float64) float64 { return bytes / (1 << 20) }
	out.add(row{
		Work: "  memory of the agent's part, afterwards", Figure: mib(r.Agent), Unit: "MiB",
		Note: fmt.Sprintf("at the peak %.0f MiB; the sandbox at its peak %.0f MiB", mib(r.AgentPeak), mib(r.SandboxPeak)),
	})
	out.add(row{
		Work: "  memory of ovs-vswitchd, afterwards", Figure: mib(full - empty), Unit: "MiB",
		Note: fmt.Sprintf("beyond the %.0f MiB that it has with no flows; at the peak %.0f MiB in all", mib(empty), mib(peak)),
	})
	out.add(row{
		Work: "  one CIDR comes or goes, event to barrier, p50", Figure: percentile(r.Changes, 50), Unit: "ms",
		Note: fmt.Sprintf("most of it is the object of %s CIDRs, which is read again as a whole", number(float64(size.cidrs/size.objects))),
	})
	out.add(row{Work: "  ... p99", Figure: percentile(r.Changes, 99), Unit: "ms"})
	out.add(row{
		Work: "  ... flow-mods: as source, and as destination", Figure: float64(r.ChangeMods) / float64(size.changes), Unit: "flow-mods", Aim: atMost(2),
	})
	out.add(row{
		Work: "  the patrol compares all flows with the switch", Figure: r.Patrol.Seconds(), Unit: "s",
		Note: fmt.Sprintf("processor time %s", part(r.PatrolCPU)),
	})
}

// threat is one of distinct CIDRs of the lengths that such lists have: seven of ten
// are addresses, two networks of 256, one of IPv6.
func threat(i int) string {
	switch n := i / 10; {
	case i%10 < 7:
		n = n*7 + i%10
		return fmt.Sprintf("%d.%d.%d.%d", 11+n>>24, n>>16&255, n>>8&255, n&255)
	case i%10 < 9:
		n = n*2 + i%10 - 7
		return fmt.Sprintf("%d.%d.%d.0/24", 100+n>>16, n>>8&255, n&255)
	default:
		return fmt.Sprintf("2001:%x:%x::/48", n>>16, n&0xffff)
	}
}

// threats is object number o of some, with those CIDRs of all that are its, and more.
func (j threatlistJob) threats(o int, more ...string) *abi.ObjectPut {
	name := fmt.Sprintf("feed-%d", o)
	var text strings.Builder
	fmt.Fprintf(&text, `{"apiVersion":"policy.sluice.dev/v1alpha1","kind":"ThreatList","metadata":{"name":%q},"spec":{"cidrs":[`, name)
	comma := ""
	for i := o; i < j.CIDRs; i += j.Objects {
		text.WriteString(comma + `"` + threat(i) + `"`)
		comma = ","
	}
	for _, cidr := range more {
		text.WriteString(comma + `"` + cidr + `"`)
		comma = ","
	}
	text.WriteString(`]}}`)
	return &abi.ObjectPut{Resource: "threatlists.policy.sluice.dev", Name: name, UID: name, Generation: 1, JSON: []byte(text.String())}
}

func threatlistHere(j threatlistJob) (r threatlistReport, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	events := make([]abi.Event, j.Objects)
	for o := range events {
		events[o] = j.threats(o)
	}
	conn, err := of.Dial(ctx, j.Socket, of.Options{})
	if err != nil {
		return r, err
	}
	defer conn.Close()
	n := newNode(fatal{}, conn)
	cluster{pods: 10, spaces: 1, apps: 5, local: 10}.fill(n.inv, n.dp)
	s, err := superviseModule(n, j.Bin, plugin.Spec{Name: "threatlist", Grant: plugin.Grant{
		Resources: []string{"*"}, Tiers: []string{"admin"}, Actions: []string{"deny"},
		Limits: abi.Limits{MemoryMiB: 256, Addresses: 2 * j.CIDRs},
	}})
	if err != nil {
		return r, err
	}
	defer s.Close()
	used := func() time.Duration {
		var u unix.Rusage
		if e := unix.Getrusage(unix.RUSAGE_SELF, &u); e != nil {
			err = errors.Join(err, e)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	committed := func(what string) (commit, error) {
		select {
		case c := <-n.committed:
			return c, nil
		case <-ctx.Done():
			return commit{}, fmt.Errorf("waiting for %s: %w: %+v", what, ctx.Err(), s.Status())
		}
	}
	start, cpu := time.Now(), used()
	s.Deliver(events)
	s.Synced()
	first, err := committed("the first commit")
	if err != nil {
		return r, err
	}
	if err := s.Settled(ctx); err != nil {
		return r, err
	}
	status := s.Status()[0]
	r.Load, r.AgentCPU, r.SandboxCPU, r.Module = first.at.Sub(start), used()-cpu, status.CPU, status.LastBatch
	r.Check, r.Compile, r.Write = first.check, first.compile, first.write
	r.Flows = n.dp.Stats().Flows

	for i := range j.Changes {
		var more []string
		if i%2 == 0 {
			more = []string{"198.18.7.7"} // in no list; the next change takes it out again
		}
		event := j.threats(0, more...)
		event.Generation = int64(2 + i)
		start := time.Now()
		s.Deliver([]abi.Event{event})
		c, err := committed("a change")
		if err != nil {
			return r, err
		}
		r.Changes = append(r.Changes, c.at.Sub(start))
		r.ChangeMods += c.written
	}
	start, cpu = time.Now(), used()
	wrong, err := n.dp.Repair(ctx)
	if err != nil {
		return r, err
	}
	if wrong != 0 {
		return r, fmt.Errorf("%d flows are not as they were written", wrong)
	}
	r.Patrol, r.PatrolCPU = time.Since(start), used()-cpu
	if r.SandboxPeak, err = peakMemory(status.PID); err != nil {
		return r, err
	}
	if r.AgentPeak, err = peakMemory(os.Getpid()); err != nil {
		return r, err
	}
	r.Agent, err = residentMemory(os.Getpid())
	return r, err
}

// flowsByOFCtl empties the bridge and has ovs-ofctl write the flows that were there,
// in one bundle from a file.
func flowsByOFCtl(tb testing.TB, ovs *ovstest.Instance, socket string, want int) time.Duration {
	tb.Helper()
	conn, err := of.Dial(tb.Context(), socket, of.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	flows, err := conn.DumpFlows(tb.Context(), of.FlowFilter{})
	if err != nil || len(flows) != want {
		tb.Fatalf("%d flows are there, want %d (%v)", len(flows), want, err)
	}
	file, err := os.Create(filepath.Join(tb.TempDir(), "flows"))
	if err != nil {
		tb.Fatal(err)
	}
	text := bufio.NewWriter(file)
	for _, f := range flows {
		_, _ = fmt.Fprintln(text, f.Flow) // Flush reports
	}
	if err := errors.Join(text.Flush(), file.Close()); err != nil {
		tb.Fatal(err)
	}
	if err := conn.Apply(tb.Context(), []of.Mod{of.DeleteFlows(of.FlowFilter{})}); err != nil {
		tb.Fatal(err)
	}
	start := time.Now()
	ovs.Run("ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "unix:"+socket, file.Name())
	return time.Since(start)
}
