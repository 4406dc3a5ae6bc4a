package openflow

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/ovstest"
)

func TestGroups(t *testing.T) {
	ovs, c := bridge(t)
	ctx := within(t)
	bucket := func(id uint32, weight uint16) Bucket {
		return Bucket{ID: id, Weight: weight, Actions: Do(SetField(Reg(1).Is(uint64(id))), Resubmit(9))}
	}
	all := GroupEntry{ID: 1, Type: GroupAll, Buckets: []Bucket{{ID: 0, Actions: Do(Output(1))}, {ID: 1, Actions: Do(Output(2), Output(3))}}}
	pick := GroupEntry{ID: 2, Type: GroupSelect, Selection: Selection{Method: "dp_hash"}, Buckets: []Bucket{bucket(1, 100), bucket(2, 50), bucket(9, 0)}}
	hash := GroupEntry{ID: 3, Type: GroupSelect, Selection: Selection{Method: "dp_hash", Param: 4}, Buckets: []Bucket{bucket(1, 1)}}
	byFields := GroupEntry{
		ID: 8, Type: GroupSelect, Selection: Selection{Method: "hash", Param: 5, Fields: Fields(TCPSrc, IPv6Src, IPv4Src)},
		Buckets: []Bucket{bucket(1, 1)},
	}
	byField := GroupEntry{ID: 9, Type: GroupSelect, Selection: Selection{Method: "hash", Fields: Fields(IPv4Src)}, Buckets: []Bucket{bucket(1, 1)}}
	plain := GroupEntry{ID: 4, Type: GroupSelect, Buckets: []Bucket{bucket(5, 3)}}
	failover := GroupEntry{ID: 5, Type: GroupFastFailover, Buckets: []Bucket{{ID: 1, WatchPort: PortLocal, Actions: Do(Output(1))}, {ID: 2, WatchGroup: 1, Actions: Do(Group(1))}}}
	empty := GroupEntry{ID: 6, Type: GroupSelect}
	indirect := GroupEntry{ID: 7, Type: GroupIndirect, Buckets: []Bucket{{Actions: Do(Output(1))}}} // of the fixture

	expect := func(what string, want ...GroupEntry) {
		t.Helper()
		got, err := c.DumpGroups(ctx)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b GroupEntry) int { return int(a.ID) - int(b.ID) })
		if !slices.EqualFunc(got, want, GroupEntry.Equal) {
			t.Errorf("%s:\n got %v\nwant %v", what, got, want)
		}
	}
	apply := func(mods ...Mod) {
		t.Helper()
		if err := c.Apply(ctx, mods); err != nil {
			t.Fatal(err)
		}
	}
	apply(AddGroup(all), AddGroup(pick), AddGroup(hash), PutGroup(plain), AddGroup(failover), AddGroup(empty), AddGroup(byFields), AddGroup(byField))
	expect("added", all, pick, hash, plain, failover, empty, indirect, byFields, byField)
	for line := range strings.Lines(ovs.OFCtl("br0", "dump-groups", "--no-names")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "group_id=") {
			continue
		}
		if !slices.ContainsFunc([]GroupEntry{all, pick, hash, plain, failover, empty, indirect, byFields, byField}, func(g GroupEntry) bool { return g.String() == line }) {
			t.Errorf("ovs-ofctl dumps %s, which is no group's text", line)
		}
	}

	pick.Buckets = []Bucket{bucket(4, 7), bucket(1, 100), bucket(7, 1), bucket(8, 1), bucket(2, 50), bucket(9, 0), bucket(5, 2)}
	apply(InsertBucket(2, BucketFirst, bucket(4, 7)), InsertBucket(2, 1, bucket(7, 1), bucket(8, 1)), InsertBucket(2, BucketLast, bucket(5, 2)))
	expect("inserted", all, pick, hash, plain, failover, empty, indirect, byFields, byField)

	pick.Buckets = pick.Buckets[1:6]
	hash.Buckets = nil
	apply(RemoveBucket(2, BucketFirst), RemoveBucket(2, BucketLast), RemoveBucket(3, BucketAll))
	pick.Buckets = slices.Delete(pick.Buckets, 1, 2)
	apply(RemoveBucket(2, 7))
	expect("removed", all, pick, hash, plain, failover, empty, indirect, byFields, byField)

	plain.Selection, plain.Buckets = Selection{Method: "hash"}, []Bucket{bucket(1, 1)}
	all.Buckets = all.Buckets[:1]
	apply(PutGroup(plain), ModifyGroup(all))
	expect("replaced", all, pick, hash, plain, failover, empty, indirect, byFields, byField)

	flow := Flow{Priority: 9, Actions: Do(Group(2))}
	apply(AddFlow(flow))
	wantFlows(t, c, flow)
	apply(DeleteGroup(2), DeleteGroup(999))
	wantFlows(t, c)
	expect("deleted", all, hash, plain, failover, empty, indirect, byFields, byField)
	if err := c.Apply(ctx, []Mod{AddGroup(all)}); !errors.Is(err, ErrGroupExists) {
		t.Errorf("adding a group twice: %v, want ErrGroupExists", err)
	}
	if err := c.Apply(ctx, []Mod{ModifyGroup(pick)}); !errors.Is(err, ErrUnknownGroup) {
		t.Errorf("modifying a group that is gone: %v, want ErrUnknownGroup", err)
	}
	apply(DeleteAllGroups())
	expect("all deleted")
}

func TestMeters(t *testing.T) {
	_, c := bridge(t)
	ctx := within(t)
	fixture := MeterEntry{ID: 5, Packets: true, Rate: 1000}
	small := MeterEntry{ID: 1, Rate: 1 << 20, Burst: 100}
	expect := func(want ...MeterEntry) {
		t.Helper()
		got, err := c.DumpMeters(ctx)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("meters %v, error %v; want %v", got, err, want)
		}
	}
	if err := c.AddMeter(ctx, small); err != nil {
		t.Fatal(err)
	}
	expect(small, fixture)
	if err := c.AddMeter(ctx, small); !errors.Is(err, ErrMeterExists) || !strings.Contains(err.Error(), "add meter 1") {
		t.Errorf("adding a meter twice: %v, want ErrMeterExists", err)
	}
	small = MeterEntry{ID: 1, Packets: true, Rate: 7, Burst: 9}
	if err := c.ModifyMeter(ctx, small); err != nil {
		t.Fatal(err)
	}
	expect(small, fixture)
	if err := c.ModifyMeter(ctx, MeterEntry{ID: 3, Rate: 1}); !errors.Is(err, ErrUnknownMeter) {
		t.Errorf("modifying a meter that is not there: %v, want ErrUnknownMeter", err)
	}
	if err := c.DeleteMeter(ctx, 1); err != nil {
		t.Fatal(err)
	}
	expect(fixture)
}

func TestPorts(t *testing.T) {
	ovs, c := bridge(t)
	ctx := within(t)
	ovs.AddInternalPort("br0", "p11", 11)
	next := func() PortStatus {
		t.Helper()
		select {
		case p := <-c.PortChanges():
			return p
		case <-ctx.Done():
			t.Fatal("no port change came")
			return PortStatus{}
		}
	}
	added := next()
	if added.Change != PortAdded || added.Port.Number != 11 || added.Port.Name != "p11" || len(added.Port.MAC) != 6 {
		t.Errorf("change %+v, want port 11 added", added)
	}
	ports, err := c.Ports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ports, func(p Port) bool { return p.Number == 11 })
	if len(ports) != 2 || i < 0 || ports[i].Name != "p11" || ports[i].Up || ports[i].MAC.String() != added.Port.MAC.String() {
		t.Errorf("ports %+v, want br0 and p11, which is down", ports)
	}
	if !slices.ContainsFunc(ports, func(p Port) bool { return p.Number == PortLocal && p.Name == "br0" }) {
		t.Errorf("ports %+v lack the bridge's own", ports)
	}
	ovs.Run("ovs-vsctl", "del-port", "br0", "p11")
	for {
		if p := next(); p.Change == PortDeleted && p.Port.Number == 11 {
			break
		}
	}
	if f := c.Features(); f.Tables != 254 || f.DatapathID == 0 {
		t.Errorf("features %+v", f)
	}
}

func TestPacketInAndOut(t *testing.T) {
	ovs, c := bridge(t)
	ctx := within(t)
	ovs.AddInternalPort("br0", "p2", 2)
	frame := func(kind byte) []byte {
		return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, kind}, make([]byte, 85)...)
	}
	to := Controller{UserData: []byte("who\x00"), Reason: ReasonAction}
	if err := c.Apply(ctx, []Mod{
		AddFlow(Flow{Table: 0, Priority: 1, Cookie: 77, Match: MatchOf(InPort.Is(2)), Actions: Do(SetField(Reg(3).Is(9)), SetField(Metadata.Is(8)), to), Goto: 4}),
		AddFlow(Flow{Table: 4, Priority: 1, Cookie: 78, Actions: Do(Controller{MaxLen: 20, Reason: ReasonNoMatch})}),
		AddFlow(Flow{Table: 0, Priority: 2, Cookie: 79, Match: MatchOf(Reg(5).Is(5)), Actions: Do(OutputAction{Port: PortController, MaxLen: 0xffff})}),
	}); err != nil {
		t.Fatal(err)
	}
	next := func() PacketIn {
		t.Helper()
		select {
		case p := <-c.PacketIns():
			return p
		case <-ctx.Done():
			t.Fatal("no packet-in came")
			return PacketIn{}
		}
	}
	if err := c.SendPacket(ctx, PacketOut{InPort: 2, Actions: Do(Output(PortTable)), Data: frame(1)}); err != nil {
		t.Fatal(err)
	}
	p := next()
	if p.Reason != ReasonAction || p.Table != 0 || p.Cookie != 77 || p.InPort != 2 || string(p.UserData) != "who\x00" || !bytes.Equal(p.Data, frame(1)) || p.FullLen != 100 {
		t.Errorf("packet-in %+v", p)
	}
	if want := MatchOf(InPort.Is(2), Reg(3).Is(9), Metadata.Is(8)); p.Fields != want {
		t.Errorf("fields %s, want %s", p.Fields, want)
	}
	p = next()
	if p.Reason != ReasonNoMatch || p.Table != 4 || p.Cookie != 78 || len(p.UserData) != 0 || !bytes.Equal(p.Data, frame(1)) || p.FullLen != 100 {
		t.Errorf("packet-in of the second flow: %+v", p)
	}
	if err := c.SendPacket(ctx, PacketOut{Fields: []Clause{Reg(5).Is(5)}, Actions: Do(Output(PortTable)), Data: frame(2)}); err != nil {
		t.Fatal(err)
	}
	if p = next(); p.Cookie != 79 || p.InPort != PortController || p.Data[14] != 2 {
		t.Errorf("packet-in of a packet-out with a register: %+v", p)
	}
	if err := c.SendPacket(ctx, PacketOut{Data: make([]byte, 65535)}); err == nil || !strings.Contains(err.Error(), "65535") {
		t.Errorf("sending a packet that is too long: %v", err)
	}
	if c.Dropped() != 0 {
		t.Errorf("%d messages dropped", c.Dropped())
	}
}

// TestStandardPacketIns asks for the packet-ins of OpenFlow itself, which Open vSwitch sends if it does not know Nicira's.
func TestStandardPacketIns(t *testing.T) {
	_, c := bridge(t)
	ctx := within(t)
	const standard = 0
	if err := c.command(ctx, func(b []byte, xid uint32) []byte { return put32(beginNicira(b, xid, nxSetPacketInFormat), standard) }); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(ctx, []Mod{AddFlow(Flow{Priority: 1, Cookie: 5, Actions: Do(SetField(Reg(1).Is(3)), Controller{})})}); err != nil {
		t.Fatal(err)
	}
	data := append(make([]byte, 60), 1, 2, 3)
	if err := c.SendPacket(ctx, PacketOut{Actions: Do(Output(PortTable)), Data: data}); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-c.PacketIns():
		if p.Cookie != 5 || p.InPort != PortController || !bytes.Equal(p.Data, data) || p.FullLen != 63 || p.Reason != ReasonAction || p.Fields != MatchOf(InPort.Is(uint64(PortController)), Reg(1).Is(3)) {
			t.Errorf("packet-in %+v", p)
		}
	case <-ctx.Done():
		t.Fatal("no packet-in came")
	}
}

func TestPacketsThatNobodyTakesAreDropped(t *testing.T) {
	_, c := bridge(t)
	ctx := within(t)
	if err := c.Apply(ctx, []Mod{AddFlow(Flow{Priority: 1, Actions: Do(Controller{})})}); err != nil {
		t.Fatal(err)
	}
	// Open vSwitch itself drops packet-ins when 100 of them wait for the socket, hence the barriers and the generous number.
	for range 40 * asyncRoom {
		if c.Dropped() > 0 {
			break
		}
		if err := c.SendPacket(ctx, PacketOut{Actions: Do(Output(PortTable)), Data: make([]byte, 60)}); err != nil {
			t.Fatal(err)
		}
		if err := c.Barrier(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if c.Dropped() == 0 {
		t.Error("nothing was dropped, although nobody took anything")
	}
	if got := len(c.PacketIns()); got != asyncRoom {
		t.Errorf("%d packet-ins wait, want %d", got, asyncRoom)
	}
}

func TestFlowMonitor(t *testing.T) {
	ovs, c := bridge(t)
	ctx := within(t)
	monitored, stop := context.WithCancel(ctx)
	updates, err := c.MonitorFlows(monitored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.MonitorFlows(ctx); !errors.Is(err, ErrMonitored) {
		t.Errorf("a second monitor: %v, want ErrMonitored", err)
	}
	next := func(event FlowEvent, flow Flow) {
		t.Helper()
		select {
		case u := <-updates:
			if u.Event != event || u.Flow != flow {
				t.Errorf("event %d of %s, want %d of %s", u.Event, u.Flow, event, flow)
			}
		case <-ctx.Done():
			t.Fatalf("no update came, want event %d of %s", event, flow)
		}
	}
	own := flowTo(1, 1)
	if err := c.Apply(ctx, []Mod{AddFlow(own), ModifyFlowStrict(flowTo(1, 2)), AddFlow(flowTo(2, 2)), DeleteFlowStrict(flowTo(2, 2).Key())}); err != nil {
		t.Fatal(err)
	}
	theirs := Flow{Table: 3, Priority: 7, Cookie: 9, Match: MatchOf(EthType.Is(0x800), IPv4Src.Addr(ip("10.0.0.1")), Reg(1).Is(4)), Actions: Do(DecTTL(), Output(2)), Goto: 9}
	ovs.OFCtl("br0", "add-flow", theirs.String())
	next(FlowAdded, theirs)
	ovs.OFCtl("br0", "mod-flows", "table=3,actions=drop")
	changed := theirs
	changed.Actions, changed.Goto = Actions{}, 0
	next(FlowModified, changed)
	ovs.OFCtl("br0", "del-flows")
	gone := map[FlowKey]bool{own.Key(): true, theirs.Key(): true}
	for range 2 {
		u := <-updates
		if u.Event != FlowRemoved || !gone[u.Flow.Key()] {
			t.Errorf("event %d of %s, want the removal of one of %v", u.Event, u.Flow, gone)
		}
		delete(gone, u.Flow.Key())
	}
	stop()
	for range updates {
		t.Error("an update came after everything was gone")
	}
	if _, err := c.MonitorFlows(ctx); err != nil {
		t.Errorf("a monitor after the first one ended: %v", err)
	}
}

func TestSwitchDies(t *testing.T) {
	ovs, c := bridge(t)
	updates, err := c.MonitorFlows(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Err() != nil {
		t.Errorf("error %v while it lives", c.Err())
	}
	ovs.KillSwitchd()
	select {
	case <-c.Done():
	case <-within(t).Done():
		t.Fatal("the connection did not notice that Open vSwitch is gone")
	}
	if c.Err() == nil || errors.Is(c.Err(), ErrClosed) {
		t.Errorf("error %v, want the reason", c.Err())
	}
	if err := c.Apply(within(t), []Mod{AddFlow(flowTo(1, 1))}); !errors.Is(err, c.Err()) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Apply after the end: %v, want %v", err, c.Err())
	}
	if _, err := c.DumpFlows(within(t), FlowFilter{}); !errors.Is(err, c.Err()) {
		t.Errorf("DumpFlows after the end: %v, want %v", err, c.Err())
	}
	for range c.PacketIns() {
		t.Error("a packet-in came from the dead")
	}
	for range updates {
		t.Error("an update came from the dead")
	}
}

func TestClose(t *testing.T) {
	_, c := bridge(t)
	c.Close()
	if err := c.Barrier(within(t)); !errors.Is(err, ErrClosed) || !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("error %v and %v, want ErrClosed", err, c.Err())
	}
	c.Close()
}

func TestDialFailures(t *testing.T) {
	ovs := ovstest.Start(t, ovstest.Options{})
	socket := ovs.AddBridge("br0")
	ended, cancel := context.WithTimeout(context.Background(), -time.Second)
	defer cancel()
	for _, test := range []struct {
		name, path, want string
		ctx              context.Context
	}{
		{"no bridge", ovs.MgmtSocket("br9"), "does the bridge exist", within(t)},
		{"long path", "/tmp/" + strings.Repeat("x", 120), "107", within(t)},
		{"ended context", socket, "context deadline exceeded", ended},
	} {
		if _, err := Dial(test.ctx, test.path, Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
	ovs.Run("ovs-vsctl", "set", "bridge", "br0", "protocols=OpenFlow13")
	if _, err := Dial(within(t), socket, Options{}); err == nil || !strings.Contains(err.Error(), "add OpenFlow15") {
		t.Errorf("a bridge of OpenFlow 1.3: error %v, want one that says what to do", err)
	}
}
