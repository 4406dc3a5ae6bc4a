package agent

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/tests/nettest"
)

// connection is both ends of one TCP connection.
type connection struct {
	name           string
	client, server net.Conn
}

// servers listen for the connections of a test, by namespace and address.
type servers map[string]net.Listener

// open makes a connection from one namespace to an address in another.
func (s servers) open(t *testing.T, name, from, to, address string, port int) *connection {
	t.Helper()
	where := net.JoinHostPort(address, fmt.Sprint(port))
	l := s[to+" "+where]
	if l == nil {
		nettest.Do(t, to, func() (err error) { l, err = net.Listen("tcp", where); return err })
		t.Cleanup(func() { l.Close() })
		s[to+" "+where] = l
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept() // nil shows below
		accepted <- c
	}()
	c := &connection{name: name}
	nettest.Do(t, from, func() (err error) {
		c.client, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", where)
		return err
	})
	if c.server = <-accepted; c.server == nil {
		t.Fatalf("%s: no connection", name)
	}
	t.Cleanup(func() { c.client.Close(); c.server.Close() })
	return c
}

// says sends a word one way and reports whether it arrives.
func says(from, to net.Conn, patience time.Duration) error {
	if _, err := from.Write([]byte("hello")); err != nil {
		return err
	}
	_ = to.SetReadDeadline(time.Now().Add(patience)) // fails only on a closed connection, which reading tells
	defer to.SetReadDeadline(time.Time{})
	_, err := io.ReadFull(to, make([]byte, 5))
	return err
}

// flow is a stream of numbers in one direction, one each millisecond.
type flow struct {
	stop  chan struct{}
	parts sync.WaitGroup
	mu    sync.Mutex
	err   error
	count uint64
	last  time.Time
	gap   time.Duration // the longest
}

func stream(from, to net.Conn) *flow {
	f := &flow{stop: make(chan struct{}), last: time.Now()}
	f.parts.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for n := uint64(1); ; n++ {
			select {
			case <-tick.C:
			case <-f.stop:
				return
			}
			if _, err := from.Write(binary.BigEndian.AppendUint64(nil, n)); err != nil {
				return
			}
		}
	})
	go func() { // ends with the connection
		var number [8]byte
		for n := uint64(1); ; n++ {
			_, err := io.ReadFull(to, number[:])
			f.mu.Lock()
			if err == nil && binary.BigEndian.Uint64(number[:]) != n {
				err = fmt.Errorf("number %d came as number %d", binary.BigEndian.Uint64(number[:]), n)
			}
			if err != nil {
				f.err = err
				f.mu.Unlock()
				return
			}
			f.count, f.gap, f.last = n, max(f.gap, time.Since(f.last)), time.Now()
			f.mu.Unlock()
		}
	}()
	return f
}

// goesOn waits until many more numbers have come, and returns the longest gap
// since the last call.
func (f *flow) goesOn(t *testing.T, name string) time.Duration {
	t.Helper()
	f.mu.Lock()
	want := f.count + 200
	f.mu.Unlock()
	soon(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.err != nil || f.count >= want }, func() string { return name + ": the stream has stopped" })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		t.Fatalf("%s: %v", name, f.err)
	}
	gap := f.gap
	f.gap = 0
	return gap
}

func (w *world) running(p testPod) attach.Running {
	return attach.Running{Namespace: "shop", Name: p.name, UID: "uid-" + p.name, Addresses: []netip.Addr{netip.MustParseAddr(p.v4), netip.MustParseAddr(p.v6)}}
}

func (w *world) adopt(p testPod) attach.Adoption {
	w.t.Helper()
	adoption, err := w.a.attacher.Adopt(w.ctx, w.running(p))
	if err != nil {
		w.t.Fatal(err)
	}
	return adoption
}

func (w *world) eject(p testPod) {
	w.t.Helper()
	if err := w.a.attacher.Eject(w.ctx, "shop", p.name); err != nil {
		w.t.Fatal(err)
	}
}

// longestGap is what no stream may stand still for. What a move costs is a few
// milliseconds, which the tests print; a stream whose packets go nowhere waits for TCP
// to send them again, and later and later each time. In between is room for machines
// that are emulated and busy.
const longestGap = 5 * time.Second

// The port that policy allows in the tests, and one that it does not.
const allowedPort, deniedPort = 8080, 9090

// Pods that ran before come onto the bridge and off it, twice, under a
// default-deny policy, while connections of every kind are open.
func TestAdoptAndEjectUnderDefaultDeny(t *testing.T) {
	w := newWorld(t)
	web, cli := w.pod("web"), w.pod("cli")
	before := w.snapshot()
	w.start()
	w.isolate(allowedPort)
	type made struct {
		*connection
		flow *flow
	}
	kinds := []struct{ name, from, to, address string }{
		{"outside -> Pod, IPv4", w.outside, web.ns, web.v4},
		{"outside -> Pod, IPv6", w.outside, web.ns, web.v6},
		{"Pod -> outside, IPv4", cli.ns, w.outside, "192.0.2.2"},
		{"Pod -> outside, IPv6", cli.ns, w.outside, "2001:db8::2"},
		{"Pod -> Pod, IPv4", cli.ns, web.ns, web.v4},
		{"Pod -> Pod, IPv6", cli.ns, web.ns, web.v6},
		{"node -> Pod, IPv4", w.ns, web.ns, web.v4},
	}
	var all []made
	var idle []*connection
	listening := servers{}
	for _, k := range kinds {
		down := listening.open(t, "download, "+k.name, k.from, k.to, k.address, allowedPort)
		up := listening.open(t, "upload, "+k.name, k.from, k.to, k.address, allowedPort)
		all = append(all, made{down, stream(down.server, down.client)}, made{up, stream(up.client, up.server)})
		idle = append(idle, listening.open(t, "idle, "+k.name, k.from, k.to, k.address, allowedPort))
	}
	denied := listening.open(t, "denied", w.outside, web.ns, web.v4, deniedPort)
	t.Cleanup(func() {
		for _, m := range all {
			close(m.flow.stop)
			m.flow.parts.Wait()
		}
	})
	check := func(when string) {
		t.Helper()
		var longest time.Duration
		for _, m := range all {
			gap := m.flow.goesOn(t, when+": "+m.name)
			longest = max(longest, gap)
			t.Logf("%s: %s: longest gap %.1f ms", when, m.name, float64(gap.Microseconds())/1000)
		}
		if longest > longestGap {
			t.Errorf("%s: a gap of %v", when, longest)
		}
	}
	check("before")
	for round := range 2 {
		for _, p := range []testPod{web, cli} {
			adoption := w.adopt(p)
			t.Logf("adopted %s: %d connections, %d kept, handover %.1f ms", p.name, adoption.Connections, adoption.Kept, float64(adoption.Handover.Microseconds())/1000)
			if adoption.Connections == 0 || adoption.Kept == 0 {
				t.Errorf("%s: its sockets were not seen: %+v", p.name, adoption)
			}
		}
		check("adopted")
		for i, c := range idle { // whoever speaks first
			a, b := c.client, c.server
			if (i+round)%2 == 0 {
				a, b = b, a
			}
			if err := says(a, b, 5*time.Second); err != nil {
				t.Errorf("%s: the first word after the move: %v", c.name, err)
			}
			if err := says(b, a, 5*time.Second); err != nil {
				t.Errorf("%s: the answer: %v", c.name, err)
			}
		}
		if err := says(denied.server, denied.client, 300*time.Millisecond); err == nil {
			t.Error("a connection that policy denies went on after the adoption")
		}
		w.wellDirected()
		for _, p := range []testPod{web, cli} {
			w.must(w.cni("CHECK", p))
			w.eject(p)
		}
		check("ejected")
		_ = denied.client.SetReadDeadline(time.Now().Add(10 * time.Second)) // fails only on a closed connection, which reading tells
		if _, err := io.ReadFull(denied.client, make([]byte, 5)); err != nil {
			t.Errorf("the word that policy denied did not arrive after the Pod had left the bridge: %v", err)
		}
		w.same("after eject", w.snapshot(), before)
	}
}

// One connection and one stream of datagrams on a quiet node: what the move
// itself costs.
func TestAdoptionGap(t *testing.T) {
	w := newWorld(t)
	web := w.pod("web")
	w.start()
	w.isolate(allowedPort)
	c := servers{}.open(t, "download", w.outside, web.ns, web.v4, allowedPort)
	f := stream(c.server, c.client)
	t.Cleanup(func() { close(f.stop); f.parts.Wait() })
	quiet := f.goesOn(t, "before")
	adoption := w.adopt(web)
	adopted := f.goesOn(t, "adopted")
	w.eject(web)
	ejected := f.goesOn(t, "ejected")
	t.Logf("longest gap of a TCP download with 1000 messages/s: %v before, %v while adopted (handover %v), %v while ejected",
		quiet, adopted, adoption.Handover, ejected)
	for what, gap := range map[string]time.Duration{"adopting": adopted, "ejecting": ejected} {
		if gap > longestGap {
			t.Errorf("%s cost a gap of %v", what, gap)
		}
	}
}

// Windows last as long as what they are for: until the connection ends, or
// policy does not allow it any more, or the Pod goes.
func TestWindowsAreClosed(t *testing.T) {
	w := newWorld(t)
	web := w.pod("web")
	w.start()
	w.isolate(allowedPort)
	listening := servers{}
	one := listening.open(t, "one", w.outside, web.ns, web.v4, allowedPort)
	listening.open(t, "two", w.outside, web.ns, web.v6, allowedPort)
	w.adopt(web)
	windows := func() int {
		return strings.Count(w.ovs.OFCtl("br-sluice", "dump-flows", "cookie=0x5200000000000000/0xff00000000000000"), "cookie=0x52")
	}
	tidied := func(connections int) {
		t.Helper()
		want := 2 * connections // one for each direction of TCP
		soon(t, func() bool {   // the kernel takes its time to end a connection
			if _, err := w.a.tidyWindows(w.ctx); err != nil {
				t.Fatal(err)
			}
			return windows() == want
		}, func() string { return fmt.Sprintf("%d windows, want %d", windows(), want) })
	}
	tidied(2)
	if wrong, err := w.repaired(); err != nil || wrong != 0 {
		t.Errorf("the patrol of flows takes %d windows for somebody's: %v", wrong, err)
	}
	tidied(2)
	one.client.Close()
	one.server.Close()
	tidied(1)
	w.isolate(deniedPort)
	tidied(0)
	w.isolate(allowedPort)
	listening.open(t, "three", w.outside, web.ns, web.v4, allowedPort)
	if _, err := w.a.attacher.Adopt(w.ctx, w.running(web)); err != nil {
		t.Fatal(err)
	}
	tidied(0) // a connection that came by the bridge needs none
	w.eject(web)
	w.adopt(web)
	tidied(2)
	w.eject(web)
	if n := windows(); n != 0 {
		t.Errorf("%d windows are left after the Pod", n)
	}
}

func (w *world) repaired() (wrong int, err error) {
	err = w.a.engine.do(w.ctx, task{change: func() (err error) { wrong, err = w.a.engine.repair(w.ctx); return err }})
	return wrong, err
}

// wellDirected fails the test if conntrack has a connection whose server is a
// client's port.
func (w *world) wellDirected() {
	w.t.Helper()
	text := w.ovs.Run("ovs-appctl", "dpctl/dump-conntrack", "zone=20942")
	if !strings.Contains(text, "dport=8080") {
		w.t.Errorf("conntrack knows none of the connections:\n%s", text)
	}
	for line := range strings.Lines(text) {
		original, _, _ := strings.Cut(line, "reply=")
		if strings.HasPrefix(line, "tcp") && strings.Contains(original, "sport=8080") {
			w.t.Errorf("a connection was taken for one in the other direction: %s", line)
		}
	}
}
