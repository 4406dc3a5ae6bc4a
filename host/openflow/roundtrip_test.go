package openflow

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/ovstest"
)

// bridge starts a private Open vSwitch with the bridge br0, with group 7 and meter 5, and connects to it.
func bridge(t testing.TB) (*ovstest.Instance, *Conn) {
	t.Helper()
	ovs := ovstest.Start(t, ovstest.Options{})
	socket := ovs.AddBridge("br0")
	c := dial(t, socket)
	ctx := within(t)
	if err := c.AddMeter(ctx, MeterEntry{ID: 5, Packets: true, Rate: 1000}); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(ctx, []Mod{AddGroup(GroupEntry{ID: 7, Type: GroupIndirect, Buckets: []Bucket{{Actions: Do(Output(1))}}})}); err != nil {
		t.Fatal(err)
	}
	return ovs, c
}

func dial(t testing.TB, socket string) *Conn {
	t.Helper()
	c, err := Dial(within(t), socket, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// within bounds everything that a test waits for.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dumped lists the flows of the switch by key.
func dumped(t testing.TB, c *Conn) map[FlowKey]Flow {
	t.Helper()
	stats, err := c.DumpFlows(within(t), FlowFilter{})
	if err != nil {
		t.Fatal(err)
	}
	flows := make(map[FlowKey]Flow)
	for _, s := range stats {
		if other, twice := flows[s.Key()]; twice {
			t.Errorf("two flows have one key:\n%s\n%s", other, s.Flow)
		}
		flows[s.Key()] = s.Flow
	}
	return flows
}

func TestEveryFieldAndActionComesBackEqual(t *testing.T) {
	_, c := bridge(t)
	for _, s := range samples() {
		if err := c.Apply(within(t), []Mod{AddFlow(s.flow)}); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	flows := dumped(t, c)
	for _, s := range samples() {
		got, ok := flows[s.flow.Key()]
		if !ok {
			t.Errorf("%s: not found by its key\nsent %s\nwire %x\nhas %s", s.name, s.flow, s.flow.Match.oxm, nearest(flows, s.flow))
			continue
		}
		if got != s.flow {
			t.Errorf("%s: comes back as another flow\nsent %s %x\n got %s %x", s.name, s.flow, s.flow.Actions.wire, got, got.Actions.wire)
		}
		delete(flows, s.flow.Key())
	}
	for _, f := range flows {
		t.Errorf("nobody sent %s", f)
	}
}

// nearest is the flow with the same table and priority, for the message.
func nearest(flows map[FlowKey]Flow, like Flow) string {
	for _, f := range flows {
		if f.Table == like.Table && f.Priority == like.Priority {
			return f.String()
		}
	}
	return "nothing like it"
}

// TestTextIsThatOfOvsOfctl compares Flow.String with what ovs-ofctl dumps, line by line, and both with the golden text.
func TestTextIsThatOfOvsOfctl(t *testing.T) {
	ovs, c := bridge(t)
	var mods []Mod
	for _, s := range samples() {
		mods = append(mods, AddFlow(s.flow))
	}
	if err := c.Apply(within(t), mods); err != nil {
		t.Fatal(err)
	}
	theirs := make(map[string]bool)
	for line := range strings.Lines(ovs.OFCtl("br0", "dump-flows", "--no-stats", "--no-names")) {
		theirs[strings.TrimSpace(line)] = true
	}
	var golden strings.Builder
	for _, s := range samples() {
		ours := s.flow.String()
		golden.WriteString(ours + "\n")
		if !theirs[ours] {
			t.Errorf("%s: ovs-ofctl does not dump\n%s", s.name, ours)
		}
		delete(theirs, ours)
	}
	for line := range theirs {
		t.Errorf("ovs-ofctl also dumps\n%s", line)
	}
	compareGolden(t, "flows.txt", golden.String())
}

// compareGolden compares with a file of testdata, and writes it if UPDATE_GOLDEN is set.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with UPDATE_GOLDEN=1 and read the difference", path)
	}
}

// TestOvsOfctlUnderstandsOurText adds flows by their text.
func TestOvsOfctlUnderstandsOurText(t *testing.T) {
	ovs, c := bridge(t)
	// Open vSwitch prints these like flows that differ in one bit of a mask, or in which of two equivalent actions they use.
	ambiguous := map[string]bool{"no frag": true, "tcp_flags all bits": true, "controller": true}
	var text strings.Builder
	for _, s := range samples() {
		text.WriteString(s.flow.String() + "\n")
	}
	if _, err := ovs.TryRun([]byte(text.String()), "ovs-ofctl", "-O", "OpenFlow15", "--bundle", "add-flows", "unix:"+ovs.MgmtSocket("br0"), "-"); err != nil {
		t.Fatal(err)
	}
	flows := dumped(t, c)
	byText := make(map[string]bool)
	for _, f := range flows {
		byText[f.String()] = true
	}
	for _, s := range samples() {
		if !byText[s.flow.String()] {
			t.Errorf("%s: no flow reads %s", s.name, s.flow)
		}
		if got := flows[s.flow.Key()]; got != s.flow && !ambiguous[s.name] {
			t.Errorf("%s: the text means another flow\ntext %s\nwant %x\n got %x (%s)", s.name, s.flow, s.flow.Actions.wire, got.Actions.wire, got)
		}
	}
}
