package openflow

import (
	"bytes"
	"encoding/hex"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/tests/ovstest"
)

// decodeAny decodes a message of any kind that a switch sends, and everything that hangs on it.
func decodeAny(msg message) error {
	switch msg.kind {
	case msgHello:
		speaks15(version, msg.body)
	case msgError:
		e, err := decodeError(msg.xid, msg.body)
		if err == nil {
			_ = e.Error()
		}
		return err
	case msgPacketIn:
		_, err := decodePacketIn(msg.body)
		return err
	case msgExperimenter:
		if len(msg.body) < 8 {
			return nil
		}
		_, err := decodePacketIn2(msg.body[8:])
		return err
	case msgPortStatus:
		_, err := decodePortStatus(msg.body)
		return err
	case msgMultiReply:
		return decodeMulti(msg.body)
	}
	return nil
}

func decodeMulti(body []byte) error {
	if len(body) < 8 {
		return nil
	}
	switch kind := uint16(body[0])<<8 | uint16(body[1]); kind {
	case multiFlow:
		return decodeFlows(body[8:], func(f FlowStats) {
			_ = f.String()
			mod := AddFlow(f.Flow)
			mod.appendTo(nil, 1)
		})
	case multiGroupDesc:
		groups, err := decodeGroups(body[8:], nil)
		for _, g := range groups {
			_ = g.String()
		}
		return err
	case multiMeter:
		_, err := decodeMeters(body[8:], nil)
		return err
	case multiPort:
		_, err := decodePorts(body[8:], nil)
		return err
	case multiMonitor:
		updates, err := decodeUpdates(body)
		for _, u := range updates {
			_ = u.Flow.String()
		}
		return err
	}
	return nil
}

const recordedMessages = "testdata/messages.hex"

// recorded are messages that a real Open vSwitch sent, one of each sort.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	text, err := os.ReadFile(recordedMessages)
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for line := range strings.Lines(string(text)) {
		raw, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, raw)
	}
	return messages
}

func TestRecordedMessagesDecode(t *testing.T) {
	if os.Getenv("UPDATE_GOLDEN") != "" {
		record(t)
	}
	kinds := make(map[uint8]bool)
	for _, raw := range recorded(t) {
		msg, err := readMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeAny(msg); err != nil {
			t.Errorf("%v: %x", err, raw)
		}
		kinds[msg.kind] = true
	}
	for _, kind := range []uint8{msgHello, msgError, msgExperimenter, msgPacketIn, msgPortStatus, msgMultiReply, msgFeaturesReply, msgBundleControl} {
		if !kinds[kind] {
			t.Errorf("no message of type %d is recorded", kind)
		}
	}
}

// tap keeps what is read from a connection.
type tap struct {
	net.Conn
	mu   sync.Mutex
	seen bytes.Buffer
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Write(b[:n])
	return n, err
}

// record has a real Open vSwitch send one of everything, and keeps it in testdata.
func record(t *testing.T) {
	ovs := ovstest.Start(t, ovstest.Options{})
	nc, err := net.Dial("unix", ovs.AddBridge("br0"))
	if err != nil {
		t.Fatal(err)
	}
	line := &tap{Conn: nc}
	c := newConn(line, nil)
	ctx := within(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.handshake(ctx))
	_, err = c.MonitorFlows(ctx)
	must(err)
	must(c.AddMeter(ctx, MeterEntry{ID: 5, Packets: true, Rate: 1000, Burst: 7}))
	group := GroupEntry{ID: 7, Type: GroupSelect, Selection: Selection{Method: "dp_hash"}, Buckets: []Bucket{{ID: 1, Weight: 2, Actions: Do(Output(1))}, {ID: 2, Weight: 3}}}
	mods := []Mod{AddGroup(group)}
	for _, s := range samples() {
		mods = append(mods, AddFlow(s.flow))
	}
	must(c.Apply(ctx, mods))
	if err := c.Apply(ctx, []Mod{AddFlow(Flow{Match: MatchOf(TCPDst.Is(1))})}); err == nil {
		t.Fatal("a flow without prerequisites was accepted")
	}
	ovs.OFCtl("br0", "add-flow", "priority=9,reg1=7,ip,actions=dec_ttl,output:3")
	ovs.OFCtl("br0", "del-flows", "table=1")
	_, err = c.DumpFlows(ctx, FlowFilter{})
	must(err)
	_, err = c.DumpGroups(ctx)
	must(err)
	_, err = c.DumpMeters(ctx)
	must(err)
	ovs.AddInternalPort("br0", "p9", 9)
	_, err = c.Ports(ctx)
	must(err)
	out := PacketOut{Actions: Do(SetField(Reg(1).Is(9)), Controller{UserData: []byte("user")}), Data: make([]byte, 60)}
	must(c.SendPacket(ctx, out))
	<-c.PacketIns()
	must(c.command(ctx, func(b []byte, xid uint32) []byte { return put32(beginNicira(b, xid, nxSetPacketInFormat), 0) }))
	must(c.SendPacket(ctx, out))
	<-c.PacketIns()
	c.Close()

	var lines []string
	for stream := line.seen.Bytes(); len(stream) >= headerLen; {
		n := int(stream[2])<<8 | int(stream[3])
		lines = append(lines, hex.EncodeToString(stream[:n]))
		stream = stream[n:]
	}
	lines = slices.Compact(lines)
	must(os.WriteFile(recordedMessages, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func FuzzDecodeMessage(f *testing.F) {
	for _, raw := range recorded(f) {
		f.Add(raw)
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		msg, err := readMessage(bytes.NewReader(raw))
		if err != nil {
			return
		}
		_ = decodeAny(msg)
	})
}

func FuzzMatch(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s.flow.Match.oxm))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := decodeMatch(wire)
		if err != nil {
			return
		}
		_ = m.String()
		again, err := decodeMatch([]byte(m.oxm))
		if err != nil || again != m {
			t.Errorf("%x decodes to %x, that to %x, error %v", wire, m.oxm, again.oxm, err)
		}
		if built := MatchOf(m.Clauses()...); built != m {
			t.Errorf("%x decodes to %x, whose clauses are %x", wire, m.oxm, built.oxm)
		}
	})
}

func FuzzActions(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s.flow.Actions.wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		if checkActions(wire) != nil {
			return
		}
		list := Actions{string(wire)}
		_ = list.String()
		actions, err := list.Decode()
		if err != nil {
			return
		}
		once := Do(actions...)
		actions, err = once.Decode()
		if err != nil {
			t.Fatalf("%x encodes to %x, which does not decode: %v", wire, once.wire, err)
		}
		if twice := Do(actions...); twice != once {
			t.Errorf("%x encodes to %x, that to %x", wire, once.wire, twice.wire)
		}
	})
}
