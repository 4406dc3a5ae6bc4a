package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/dns"
	"github.com/sluice-net/sluice/host/openflow"
)

// What name servers answer to Pods of this node is told to modules that are about
// names (abi.DNSAnswers), and held back until what they say about it is in force:
// a Pod that has the answer may connect at once.
//
// The flows that hand answers to the agent live beside the datapath's, for a few
// seconds only, and are renewed as long as the agent is there and some module
// wants them. So an agent that dies holds nobody's answers back; names that are
// asked for meanwhile are learnt when they are asked for again.

const (
	namesCookie = asideMark<<56 | 1<<48
	// namesEvery is how often the flows are renewed, which last namesLast seconds.
	namesEvery = 2 * time.Second
	namesLast  = 8
	// forgetEvery is how often it is looked for addresses whose time is over.
	forgetEvery = 5 * time.Second
	// holdPatience bounds how long an answer waits for modules.
	holdPatience = time.Second
	// maxHeld bounds the answers that wait; more are sent on at once.
	maxHeld = 256
)

// nameWatch follows what name servers answer. Its goroutine is run.
type nameWatch struct {
	a       *agent
	servers []netip.Prefix
	arrived chan handed
	freed   chan flowKey // whose answer was sent on

	held map[flowKey][]handed // what came after an answer that waits, by connection

	known      *dns.Names
	streams    *dns.Streams
	generation int64
	count      atomic.Int64 // names known
	idle       atomic.Bool  // some module wants names, and no server is configured
}

// flowKey is a connection with a name server.
type flowKey struct {
	server, client netip.AddrPort
	tcp            bool
}

// handed is a packet that the switch handed over, and the bridge that it goes back to.
type handed struct {
	packet openflow.PacketIn
	bridge bridge
}

func (a *agent) newNames() *nameWatch {
	return &nameWatch{
		a: a, servers: a.Config.DNS.servers, arrived: make(chan handed, maxHeld), freed: make(chan flowKey, maxHeld), held: map[flowKey][]handed{},
		known: dns.NewNames(time.Duration(a.Config.DNS.GraceSeconds) * time.Second), streams: dns.NewStreams(),
	}
}

// hear takes a packet from the switch. If too many are waiting it goes on unread:
// policy about the name then comes into force with the next answer.
func (n *nameWatch) hear(ctx context.Context, h handed) {
	select {
	case n.arrived <- h:
	default:
		n.release(ctx, h)
	}
}

func (n *nameWatch) run(ctx context.Context) error {
	renew, forget := time.NewTicker(namesEvery), time.NewTicker(forgetEvery)
	defer renew.Stop()
	defer forget.Stop()
	for {
		select {
		case h := <-n.arrived:
			n.take(ctx, h)
		case key := <-n.freed:
			queue := n.held[key]
			delete(n.held, key)
			for _, h := range queue {
				n.take(ctx, h)
			}
		case <-renew.C:
			n.renew(ctx)
		case now := <-forget.C:
			n.forget(ctx, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// renew installs the flows once more.
func (n *nameWatch) renew(ctx context.Context) {
	wanted := n.a.supervisor.Wants(abi.DNSAnswers)
	n.idle.Store(wanted && len(n.servers) == 0)
	if !wanted || len(n.servers) == 0 {
		return
	}
	var mods []openflow.Mod
	for _, f := range datapath.HoldFlows(n.servers, namesCookie, namesLast) {
		mods = append(mods, openflow.AddFlow(f))
	}
	if err := n.a.writeAside(ctx, mods); err != nil && !errors.Is(err, datapath.ErrNoSwitch) && ctx.Err() == nil {
		n.a.log.Error("following what name servers answer", "error", err)
	}
}

// maxQueue bounds what is kept behind one answer. TCP sends the rest again.
const maxQueue = 64

// take reads a packet, unless one of its connection waits: then it waits too. What
// TCP sends again because the first one is held must not overtake it.
func (n *nameWatch) take(ctx context.Context, h handed) {
	segment, ok := dns.ReadFrame(h.packet.Data)
	if !ok {
		n.release(ctx, h)
		return
	}
	key := flowKey{segment.Server, segment.Client, segment.TCP}
	if queue, waits := n.held[key]; waits {
		if len(queue) < maxQueue {
			n.held[key] = append(queue, h)
		}
		return
	}
	n.read(ctx, h, key, n.messages(segment))
}

// read learns from messages and sends their packet on once modules have heard of it.
func (n *nameWatch) read(ctx context.Context, h handed, key flowKey, messages [][]byte) {
	var told []abi.Event
	for _, m := range messages {
		answer, err := dns.Read(m)
		if err != nil || !isHostName(answer.Name) {
			continue
		}
		changed, refused := n.known.Learn(answer, time.Now())
		if refused {
			n.a.log.Warn("too many names are known; one more is not learnt", "name", answer.Name, "limit", dns.MaxNames)
		}
		if changed {
			told = append(told, n.event(answer.Name))
		}
	}
	n.count.Store(int64(n.known.Len()))
	if len(told) == 0 {
		n.release(ctx, h)
		return
	}
	n.a.supervisor.Deliver(told)
	if len(n.held) >= maxHeld {
		n.release(ctx, h)
		return
	}
	n.held[key] = nil
	go func() {
		patient, cancel := context.WithTimeout(ctx, holdPatience)
		defer cancel()
		_ = n.a.supervisor.Settled(patient) // a module that fails holds no answers back
		n.release(ctx, h)
		select {
		case n.freed <- key:
		case <-ctx.Done():
		}
	}()
}

func (n *nameWatch) messages(segment dns.Segment) [][]byte {
	if segment.TCP {
		return n.streams.Take(segment)
	}
	return [][]byte{segment.Payload}
}

func (n *nameWatch) release(ctx context.Context, h handed) {
	out, err := datapath.Release(h.packet)
	if err == nil {
		err = h.bridge.SendPacket(ctx, out)
	}
	if err != nil && ctx.Err() == nil {
		n.a.log.Debug("an answer of a name server could not be sent on; the Pod asks again", "error", err)
	}
}

// forget drops what is over, but no address with an open connection.
func (n *nameWatch) forget(ctx context.Context, now time.Time) {
	if !n.known.Due(now) {
		return
	}
	live, err := n.a.liveConnections(ctx)
	if err != nil {
		n.a.log.Warn("addresses of names are kept although their time is over, as it cannot be told whether they are in use", "error", err)
		return
	}
	used := map[netip.Addr]bool{}
	for _, c := range live {
		used[c.Destination] = true
	}
	var told []abi.Event
	for _, name := range n.known.Forget(now, func(a netip.Addr) bool { return used[a] }) {
		told = append(told, n.event(name))
	}
	n.count.Store(int64(n.known.Len()))
	if len(told) > 0 {
		n.a.supervisor.Deliver(told)
	}
}

// event says what is known of a name.
func (n *nameWatch) event(name string) abi.Event {
	n.generation++
	addrs := n.known.Addresses(name)
	if len(addrs) == 0 {
		return &abi.ObjectDelete{Resource: abi.DNSAnswers, Name: name, UID: name}
	}
	text, err := json.Marshal(struct {
		Name      string       `json:"name"`
		Addresses []netip.Addr `json:"addresses"`
	}{name, addrs})
	if err != nil {
		panic(err) // strings and addresses
	}
	return &abi.ObjectPut{Resource: abi.DNSAnswers, Name: name, UID: name, Generation: n.generation, JSON: text}
}

// isHostName keeps out names that no policy can be about (RFC 1123, 2.1; the
// underscore is in names of services).
func isHostName(name string) bool {
	return name != "" && len(name) <= abi.MaxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}
