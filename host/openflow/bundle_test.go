package openflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// flowTo is a flow of table 0 that is easy to tell from others.
func flowTo(priority uint16, port uint32) Flow {
	return Flow{Priority: priority, Match: MatchOf(Reg(0).Is(uint64(priority))), Actions: Do(Output(port))}
}

// wantFlows compares the whole flow tables.
func wantFlows(t *testing.T, c *Conn, want ...Flow) {
	t.Helper()
	got := dumped(t, c)
	for _, f := range want {
		if got[f.Key()] != f {
			t.Errorf("lacks flow %.300s, has %.300s", f, got[f.Key()])
		}
		delete(got, f.Key())
	}
	for _, f := range got {
		t.Errorf("has flow %.300s that it should not have", f)
	}
}

func TestRefusedModificationsUndoTheBundle(t *testing.T) {
	_, c := bridge(t)
	before := flowTo(1, 1)
	if err := c.Apply(within(t), []Mod{AddFlow(before)}); err != nil {
		t.Fatal(err)
	}
	good := AddFlow(flowTo(2, 2))
	bad := func(m Match, actions ...Action) Mod {
		return AddFlow(Flow{Priority: 3, Match: m, Actions: Do(actions...)})
	}
	for _, test := range []struct {
		name  string
		mods  []Mod
		index []int
		errs  []string
	}{
		{"no prerequisite", []Mod{good, bad(MatchOf(TCPDst.Is(80))), good}, []int{1}, []string{"OFPBMC_BAD_PREREQ"}},
		{"two of them", []Mod{bad(MatchOf(TCPDst.Is(80))), good, DeleteFlowStrict(before.Key()), bad(Match{}, DecTTL())}, []int{0, 3}, []string{"OFPBMC_BAD_PREREQ", "OFPBAC_MATCH_INCONSISTENT"}},
		{"no such group", []Mod{good, good, bad(Match{}, Group(99))}, []int{2}, []string{"OFPBAC_BAD_OUT_GROUP"}},
		{"no such meter", []Mod{good, bad(Match{}, Meter(99))}, []int{1}, []string{"OFPMMFC_INVALID_METER"}},
		{"mixed conjunction", []Mod{DeleteFlows(FlowFilter{}), good, bad(Match{}, Conjunction(1, 1, 2), Output(1))}, []int{2}, []string{"NXBAC_BAD_CONJUNCTION"}},
		{"backward goto", []Mod{good, AddFlow(Flow{Table: 5, Goto: 5})}, []int{1}, []string{"OFPBIC_BAD_TABLE_ID"}},
		{"bad ct_state", []Mod{good, bad(MatchOf(CTState.Masked(CTInvalid|CTNew, CTInvalid|CTNew)), Output(1)), bad(MatchOf(EthType.Is(0x800), IPDSCP.Masked(1, 1)))}, []int{2}, []string{"OFPBMC_BAD_MASK"}},
		{"group at commit", []Mod{good, AddGroup(GroupEntry{ID: 20}), AddGroup(GroupEntry{ID: 7})}, []int{2}, []string{"OFPGMFC_GROUP_EXISTS"}},
		{"modified group at commit", []Mod{ModifyGroup(GroupEntry{ID: 21}), good}, []int{0}, []string{"OFPGMFC_UNKNOWN_GROUP"}},
		{"table 255", []Mod{good, AddFlow(Flow{Table: 255})}, []int{1}, []string{"OFPFMFC_BAD_TABLE_ID"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.Apply(within(t), test.mods)
			var refused *BundleError
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want a *BundleError", err)
			}
			if refused.Count != len(test.index) || len(refused.Failures) != len(test.index) {
				t.Fatalf("%d failures, want %d: %v", refused.Count, len(test.index), err)
			}
			for i, f := range refused.Failures {
				if f.Index != test.index[i] || f.Error.Name() != test.errs[i] || f.Mod.String() != test.mods[f.Index].String() {
					t.Errorf("failure %d: number %d, %v of %s; want number %d, %s", i, f.Index, f.Error, f.Mod, test.index[i], test.errs[i])
				}
				if !strings.Contains(err.Error(), test.errs[i]) {
					t.Errorf("the error does not name %s: %v", test.errs[i], err)
				}
				if !errors.Is(err, f.Error) {
					t.Errorf("errors.Is does not find %v in %v", f.Error, err)
				}
			}
			wantFlows(t, c, before)
		})
	}
	// The connection has survived all that.
	after := flowTo(4, 4)
	if err := c.Apply(within(t), []Mod{good, AddFlow(after)}); err != nil {
		t.Fatal(err)
	}
	wantFlows(t, c, before, flowTo(2, 2), after)
}

func TestBundleInWhichEverythingIsRefused(t *testing.T) {
	_, c := bridge(t)
	mods := make([]Mod, 50_000)
	for i := range mods {
		mods[i] = AddFlow(Flow{Priority: uint16(i), Match: MatchOf(TCPDst.Is(80))})
	}
	err := c.Apply(within(t), mods)
	var refused *BundleError
	if !errors.As(err, &refused) || len(refused.Failures) != maxFailures || refused.Count < maxFailures {
		t.Fatalf("error %v, want a *BundleError with %d failures kept", err, maxFailures)
	}
	if len(err.Error()) > 2000 {
		t.Errorf("the text of the error has %d bytes", len(err.Error()))
	}
	wantFlows(t, c)
}

func TestOrderWithinABundle(t *testing.T) {
	_, c := bridge(t)
	f, changed := flowTo(1, 1), flowTo(1, 2)
	if err := c.Apply(within(t), []Mod{
		AddFlow(f), DeleteFlows(FlowFilter{}), AddFlow(f), ModifyFlowStrict(changed), AddFlow(flowTo(2, 2)), DeleteFlowStrict(flowTo(2, 9).Key()),
		DeleteFlowStrict(FlowKey{Table: 9}), ModifyFlowStrict(flowTo(3, 3)),
	}); err != nil {
		t.Fatal(err)
	}
	wantFlows(t, c, changed)
}

func TestMessagesThatAreTooLongAreNotSent(t *testing.T) {
	_, c := bridge(t)
	// Registers and packet_type take more room in a dump than in a modification.
	fits := Flow{Priority: 1, Match: MatchOf(Reg(0).Is(1), Reg(2).Is(1), Reg(4).Is(1), Reg(6).Is(1), Reg(8).Is(1), Reg(10).Is(1), Reg(12).Is(1), Reg(14).Is(1))}
	mod := AddFlow(fits)
	fits.Actions = Do(Note(bytes.Repeat([]byte{7}, maxMod-len(mod.appendTo(nil, 0))-8-10)))
	mod = AddFlow(fits)
	if n := len(mod.appendTo(nil, 0)); n != maxMod {
		t.Fatalf("the longest modification has %d bytes, want %d", n, maxMod)
	}
	if err := c.Apply(within(t), []Mod{AddFlow(fits)}); err != nil {
		t.Fatal(err)
	}
	wantFlows(t, c, fits)

	var many []Action
	for i := range 5000 {
		many = append(many, Conjunction(uint32(i), 1, 2))
	}
	long := AddFlow(Flow{Table: 3, Priority: 77, Actions: Do(many...)})
	err := c.Apply(within(t), []Mod{DeleteFlows(FlowFilter{}), AddFlow(flowTo(2, 2)), long})
	if err == nil || !strings.Contains(err.Error(), "80064 bytes") || !strings.Contains(err.Error(), "priority=77") || !strings.Contains(err.Error(), "number 2") {
		t.Errorf("error %v, want one that names flow and size", err)
	}
	wantFlows(t, c, fits)
	if err := c.Barrier(within(t)); err != nil {
		t.Errorf("the connection is lost: %v", err)
	}
}

func TestApplyWithEndedContextDoesNothing(t *testing.T) {
	_, c := bridge(t)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	err := c.Apply(ctx, []Mod{AddFlow(flowTo(1, 1))})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if err := c.Apply(within(t), nil); err != nil {
		t.Errorf("applying nothing: %v", err)
	}
	wantFlows(t, c)
}

func TestManyUsersOfOneConnection(t *testing.T) {
	_, c := bridge(t)
	const users, each = 6, 400
	var group sync.WaitGroup
	errs := make(chan error, 3*users)
	for user := range users {
		group.Go(func() {
			var mods []Mod
			for i := range each {
				mods = append(mods, AddFlow(Flow{Table: uint8(user), Priority: uint16(i + 1), Actions: Do(Output(uint32(user + 1)))}))
			}
			errs <- c.Apply(within(t), mods)
		})
		group.Go(func() {
			_, err := c.DumpFlows(within(t), FlowFilter{})
			errs <- err
		})
		group.Go(func() {
			err := c.SendPacket(within(t), PacketOut{Data: make([]byte, 60)})
			if err == nil {
				err = c.Barrier(within(t))
			}
			errs <- err
		})
	}
	group.Wait()
	for range 3 * users {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(dumped(t, c)); got != users*each {
		t.Errorf("%d flows, want %d", got, users*each)
	}
}

func TestCountersAndCookies(t *testing.T) {
	_, c := bridge(t)
	ctx := within(t)
	f := Flow{Priority: 1, Cookie: 5, IdleTimeout: 100, Match: MatchOf(InPort.Is(uint64(PortController)))}
	packet := func() {
		t.Helper()
		if err := c.SendPacket(ctx, PacketOut{Actions: Do(Output(PortTable)), Data: make([]byte, 60)}); err != nil {
			t.Fatal(err)
		}
	}
	stats := func(want Flow, packets uint64) {
		t.Helper()
		got, err := c.DumpFlows(ctx, FlowFilter{})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d flows, error %v", len(got), err)
		}
		if got[0].Flow != want || got[0].Packets != packets || got[0].Bytes != 60*packets {
			t.Errorf("%s with %d packets, %d bytes, age %v; want %s with %d packets", got[0].Flow, got[0].Packets, got[0].Bytes, got[0].Duration, want, packets)
		}
	}
	apply := func(m Mod) {
		t.Helper()
		if err := c.Apply(ctx, []Mod{m}); err != nil {
			t.Fatal(err)
		}
	}
	apply(AddFlow(f))
	packet()
	packet()
	stats(f, 2)

	changed := f
	changed.Actions, changed.Goto, changed.Cookie, changed.IdleTimeout = Do(SetField(Reg(1).Is(1))), 9, 6, 200
	apply(ModifyFlowStrict(changed))
	packet()
	changed.Cookie, changed.IdleTimeout = f.Cookie, f.IdleTimeout
	stats(changed, 3)

	f.Cookie = 7
	apply(AddFlow(f))
	stats(f, 3)
}

func TestFilters(t *testing.T) {
	_, c := bridge(t)
	ctx := within(t)
	flows := []Flow{
		{Table: 0, Priority: 1, Cookie: 0x10, Match: MatchOf(EthType.Is(0x800), IPv4Src.Prefix(prefix("10.0.0.0/16"))), Actions: Do(Output(1))},
		{Table: 1, Priority: 2, Cookie: 0x11, Match: MatchOf(EthType.Is(0x800), IPv4Src.Addr(ip("10.0.0.1"))), Actions: Do(Output(2))},
		{Table: 1, Priority: 3, Cookie: 0x20, Match: MatchOf(EthType.Is(0x86dd)), Actions: Do(Output(1), Output(2))},
		{Table: 253, Priority: 4, Cookie: 0x21},
	}
	var mods []Mod
	for _, f := range flows {
		mods = append(mods, AddFlow(f))
	}
	for _, test := range []struct {
		name   string
		filter FlowFilter
		want   []int
	}{
		{"all", FlowFilter{}, []int{0, 1, 2, 3}},
		{"table 0", FlowFilter{Table: InTable(0)}, []int{0}},
		{"table 1", FlowFilter{Table: InTable(1)}, []int{1, 2}},
		{"table 253", FlowFilter{Table: InTable(253)}, []int{3}},
		{"cookie", FlowFilter{Cookie: 0x11, CookieMask: ^uint64(0)}, []int{1}},
		{"cookie bits", FlowFilter{Cookie: 0x20, CookieMask: 0xf0}, []int{2, 3}},
		{"match", FlowFilter{Match: MatchOf(EthType.Is(0x800))}, []int{0, 1}},
		{"narrower match", FlowFilter{Match: MatchOf(EthType.Is(0x800), IPv4Src.Prefix(prefix("10.0.0.0/24")))}, []int{1}},
		{"port", FlowFilter{OutPort: 1}, []int{0, 2}},
		{"two at once", FlowFilter{OutPort: 1, Table: InTable(1)}, []int{2}},
		{"none", FlowFilter{Table: InTable(77)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := c.Apply(ctx, mods); err != nil {
				t.Fatal(err)
			}
			got, err := c.DumpFlows(ctx, test.filter)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Errorf("dumps %d flows, want %d: %v", len(got), len(test.want), got)
			}
			selected := make(map[Flow]bool)
			for _, s := range got {
				selected[s.Flow] = true
			}
			var rest []Flow
			wanted := fmt.Sprint(test.want)
			for i, f := range flows {
				want := strings.Contains(wanted, fmt.Sprint(i))
				if selected[f] != want {
					t.Errorf("dump has flow %d: %v, want %v", i, selected[f], want)
				}
				if !want {
					rest = append(rest, f)
				}
			}
			if err := c.Apply(ctx, []Mod{DeleteFlows(test.filter)}); err != nil {
				t.Fatal(err)
			}
			wantFlows(t, c, rest...)
		})
	}
}

func TestDumpOfManyParts(t *testing.T) {
	_, c := bridge(t)
	const n = 20_000
	mods := make([]Mod, 0, n)
	want := make(map[FlowKey]Flow, n)
	for i := range n {
		f := Flow{Table: uint8(i % 5), Priority: 10, Cookie: uint64(i), Match: MatchOf(Reg(1).Is(uint64(i))), Actions: Do(Load(Reg(2), 0, 16, uint64(i)), Resubmit(9))}
		mods = append(mods, AddFlow(f))
		want[f.Key()] = f
	}
	if err := c.Apply(within(t), mods); err != nil {
		t.Fatal(err)
	}
	got := dumped(t, c)
	if len(got) != n {
		t.Fatalf("%d flows, want %d", len(got), n)
	}
	for key, f := range want {
		if got[key] != f {
			t.Fatalf("got %v, want %s", got[key], f)
		}
	}
}
