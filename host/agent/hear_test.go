package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/tests/nettest"
)

func readNamespace(name, audited string) (cluster.Event, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if audited != "" {
		ns.Annotations = map[string]string{cluster.AuditAnnotation: audited}
	}
	return cluster.Event{Op: cluster.Put, Resource: cluster.Namespaces, Name: name, Object: ns}, nil
}

// ask sends a datagram and says what becomes of it, waiting half a second for an
// error.
func (r *rig) ask(ns, address string) error {
	r.t.Helper()
	c, err := r.dial(ns, "udp", address)
	r.must(err)
	defer c.Close()
	if _, err := c.Write([]byte("?")); err != nil {
		return err
	}
	r.must(c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	return err
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// Both ends are real kernels: what they make of the answers is what counts.
func TestRejectAnswersAndDenyDoesNot(t *testing.T) {
	r := newRig(t)
	r.commit(
		rule(abi.Egress, abi.Reject, false, "rejected", "no-way"),
		rule(abi.Egress, abi.Deny, false, "denied", "silent"),
		rule(abi.Ingress, abi.Reject, false, "host", "keep-out"),
	)
	for _, c := range []struct {
		name, from, network, address string
		want                         error // nil: no answer
	}{
		{"egress TCP", r.pod.NetNS, "tcp", "10.9.9.9:80", syscall.ECONNREFUSED},
		{"egress TCP v6", r.pod.NetNS, "tcp", "[fd09::9]:80", syscall.ECONNREFUSED},
		// Linux turns type 3 code 13 and type 1 code 1 into these (icmp(7), ipv6/icmp.c).
		{"egress UDP", r.pod.NetNS, "udp", "10.9.9.9:53", syscall.EHOSTUNREACH},
		{"egress UDP v6", r.pod.NetNS, "udp", "[fd09::9]:53", syscall.EACCES},
		{"egress TCP denied", r.pod.NetNS, "tcp", "10.8.8.8:80", nil},
		{"egress TCP v6 denied", r.pod.NetNS, "tcp", "[fd08::8]:80", nil},
		{"egress UDP denied", r.pod.NetNS, "udp", "10.8.8.8:53", nil},
		{"egress UDP v6 denied", r.pod.NetNS, "udp", "[fd08::8]:53", nil},
		{"ingress TCP", r.NetNS, "tcp", "10.0.0.1:80", syscall.ECONNREFUSED},
		{"ingress TCP v6", r.NetNS, "tcp", "[fd00::1]:80", syscall.ECONNREFUSED},
		{"ingress UDP", r.NetNS, "udp", "10.0.0.1:53", syscall.EHOSTUNREACH},
		{"ingress UDP v6", r.NetNS, "udp", "[fd00::1]:53", syscall.EACCES},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			if c.network == "udp" {
				err = r.ask(c.from, c.address)
			} else {
				var conn net.Conn
				if conn, err = r.dial(c.from, c.network, c.address); conn != nil {
					conn.Close()
				}
			}
			if c.want == nil && !isTimeout(err) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s %s: %v, want %v", c.network, c.address, err, c.want)
			}
		})
	}
	for _, kind := range []string{"reset", "icmp", "icmpv6"} {
		if r.counter("sluice_refused_packets_total", kind) == 0 {
			t.Errorf("no answer of kind %s was counted", kind)
		}
	}
	if n := r.counter("sluice_refused_packets_total", "failed"); n != 0 {
		t.Errorf("%v answers could not be sent", n)
	}
}

// A connection is cut, whoever of both sends first.
func TestSemantics26RejectCutsEstablishedConnections(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		name, address string
		podFirst      bool
	}{
		{"IPv4, the Pod first", "10.0.255.1:8080", true},
		{"IPv4, the other end first", "10.0.255.1:8081", false},
		{"IPv6, the Pod first", "[fd00:ff::1]:8080", true},
		{"IPv6, the other end first", "[fd00:ff::1]:8081", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.commit()
			l := r.listen(c.address)
			var near net.Conn
			r.await("connection", func() bool {
				var err error
				near, err = r.dial(r.pod.NetNS, "tcp", c.address)
				return err == nil
			})
			defer near.Close()
			far, err := l.Accept()
			r.must(err)
			defer far.Close()
			exchange(t, near, far)
			exchange(t, far, near)

			r.commit(rule(abi.Egress, abi.Reject, false, "host", "no-more"))
			first, second := near, far
			if !c.podFirst {
				first, second = far, near
			}
			isReset(t, first)
			isReset(t, second)
		})
	}
}

// isReset sends until it is answered by a reset. For a moment, packets of a
// connection that is busy still meet what the switch has cached (SEMANTICS 26: a
// second at most; on a machine that does much else, two).
func isReset(t *testing.T, c net.Conn) {
	t.Helper()
	start := time.Now()
	for time.Since(start) < 5*time.Second {
		_, err := c.Write([]byte("still there?"))
		if err == nil {
			r := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if r != nil {
				t.Fatal(r)
			}
			_, err = c.Read(make([]byte, 100))
		}
		if errors.Is(err, syscall.ECONNRESET) {
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("from %s: cut only after %s", c.LocalAddr(), took)
			}
			return
		}
		if err != nil && !isTimeout(err) {
			t.Fatalf("from %s: %v, want a reset", c.LocalAddr(), err)
		}
	}
	t.Errorf("from %s: not cut in 5 s", c.LocalAddr())
}

func exchange(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

// The meter is in the switch: however much is sent, the agent gets a bounded part.
func TestRejectIsRateLimited(t *testing.T) {
	r := newRig(t)
	r.commit(rule(abi.Egress, abi.Reject, false, "rejected", "no-way"))
	c, err := r.dial(r.pod.NetNS, "udp", "10.9.9.9:53")
	r.must(err)
	defer c.Close()
	start := time.Now()
	const flood = 5000
	sent := 0
	for sent < flood {
		if _, err := c.Write([]byte("!")); err == nil { // an earlier answer makes it fail
			sent++
		}
	}
	// The last is answered again once the meter has recovered.
	r.await("an answer after the flood", func() bool { return errors.Is(r.ask(r.pod.NetNS, "10.9.9.10:53"), syscall.EHOSTUNREACH) })
	took := time.Since(start).Seconds()
	got := r.counter("sluice_refused_packets_total", "icmp")
	if most := 200 + 100*(took+1); got < 50 || got > most {
		t.Errorf("%v of %d packets were answered in %.1f s, want 50 to %.0f", got, flood, took, most)
	}
	t.Logf("%v of %d packets were answered in %.1f s", got, flood, took)
}

func (r *rig) await(what string, done func() bool) {
	r.t.Helper()
	nettest.Await(r.t, 10*time.Second, what, done)
}

// lines are the audit log's, without time.
func (r *rig) lines() (out []observe.AuditLine) {
	r.t.Helper()
	f, err := os.Open(r.audit)
	r.must(err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line observe.AuditLine
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			r.t.Fatalf("line %q: %v", s.Text(), err)
		}
		out = append(out, line)
	}
	return out
}

// expect waits for n more lines than there were and returns them.
func (r *rig) expect(before, n int) []observe.AuditLine {
	r.t.Helper()
	r.await("audit line", func() bool { return len(r.lines()) >= before+n })
	got := r.lines()[before:]
	if len(got) != n {
		r.t.Errorf("%d lines, want %d: %+v", len(got), n, got)
	}
	return got
}

func TestAuditLogNamesWhoDecided(t *testing.T) {
	r := newRig(t)
	r.commit(
		rule(abi.Egress, abi.Reject, true, "rejected", "no-way"),
		rule(abi.Egress, abi.Deny, false, "denied", "silent"),
		rule(abi.Egress, abi.Allow, true, "host", "fine"),
	)
	l := r.listen("10.0.255.1:8080")

	// A rule that logs.
	if _, err := r.dial(r.pod.NetNS, "tcp", "10.9.9.9:80"); err == nil {
		t.Fatal("a rejected connection was opened")
	}
	got := r.expect(0, 1)[0]
	if got.Direction != "egress" || got.Verdict != "reject" || got.Tier != "network" || got.Module != "test" || got.Protocol != "TCP" ||
		got.Source.Namespace != "x" || got.Source.Pod != "p" || got.Source.Address != "10.0.0.1" || got.Destination.Address != "10.9.9.9" ||
		got.DestinationPort != 80 || got.SourcePort == 0 || len(got.Policies) != 1 ||
		got.Policies[0] != (observe.AuditPolicy{Resource: "networkpolicies.networking.k8s.io", Namespace: "x", Name: "no-way", Rule: "egress[0]"}) {
		t.Errorf("rejected: %+v", got)
	}
	// A rule that allows and logs: one line for a connection, however much it carries.
	near, err := r.dial(r.pod.NetNS, "tcp", "10.0.255.1:8080")
	r.must(err)
	defer near.Close()
	far, err := l.Accept()
	r.must(err)
	defer far.Close()
	for range 10 {
		exchange(t, near, far)
	}
	got = r.expect(1, 1)[0]
	if got.Verdict != "allow" || got.Direction != "egress" || len(got.Policies) != 1 || got.Policies[0].Name != "fine" {
		t.Errorf("allowed: %+v", got)
	}
	// A rule that does not log, then the same with a Namespace that asks for it.
	if err := r.ask(r.pod.NetNS, "10.8.8.8:53"); !isTimeout(err) {
		t.Fatal(err)
	}
	r.namespace("true")
	if err := r.ask(r.pod.NetNS, "[fd08::8]:53"); !isTimeout(err) {
		t.Fatal(err)
	}
	got = r.expect(2, 1)[0]
	if got.Verdict != "deny" || got.Protocol != "UDP" || got.Destination.Address != "fd08::8" || got.Policies[0].Name != "silent" {
		t.Errorf("denied: %+v", got)
	}
	// Nobody decides.
	if err := r.ask(r.pod.NetNS, "10.7.7.7:53"); !isTimeout(err) {
		t.Fatal(err)
	}
	got = r.expect(3, 1)[0]
	if got.Verdict != "allow" || got.Tier != "" || len(got.Policies) != 0 || got.Reason != "nothing denies" {
		t.Errorf("not decided: %+v", got)
	}
	// Default deny names all that isolate.
	isolation := func(name string) *abi.PutIsolation {
		return &abi.PutIsolation{Name: name, Spec: abi.IsolationSpec{
			Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"pods"}, Origin: abi.Origin{Namespace: "x", Name: "policy-" + name},
		}}
	}
	r.commit(isolation("one"), isolation("two"))
	if _, err := r.dial(r.NetNS, "tcp", "10.0.0.1:80"); !isTimeout(err) {
		t.Fatal(err)
	}
	got = r.expect(4, 1)[0]
	if got.Verdict != "deny" || got.Direction != "ingress" || got.Destination.Pod != "p" || got.Source.Pod != "" || len(got.Policies) != 2 ||
		got.Policies[0].Name != "policy-one" || got.Policies[1].Name != "policy-two" {
		t.Errorf("isolated: %+v", got)
	}
	r.namespace("")
	if _, err := r.dial(r.NetNS, "tcp", "[fd00::1]:81"); !isTimeout(err) {
		t.Fatal(err)
	}
	if n := len(r.lines()); n != 5 {
		t.Errorf("without the annotation there are %d lines, want the 5 from before: %+v", n, r.lines()[5:])
	}
}

// What the meter keeps from the agent is counted.
func TestAuditLogCountsWhatTheSwitchDropped(t *testing.T) {
	r := newRig(t)
	r.commit(rule(abi.Egress, abi.Deny, true, "denied", "loud"))
	c, err := r.dial(r.pod.NetNS, "udp", "10.8.8.8:53")
	r.must(err)
	defer c.Close()
	const flood = 20_000 // several times what the meter lets pass at once, as some get lost on the way to the switch
	for range flood {
		if _, err := c.Write([]byte("!")); err != nil {
			t.Fatal(err)
		}
	}
	r.await("count of what was dropped", func() bool { return r.counter("sluice_audit_dropped_total", "switch") > 0 })
	if n := r.counter("sluice_audit_dropped_total", "switch"); n > flood {
		t.Errorf("%v of %d decisions were dropped", n, flood)
	} else {
		t.Logf("%v of %d decisions were dropped", n, flood)
	}
	r.await("line that says so", func() bool {
		text, err := os.ReadFile(r.audit)
		r.must(err)
		return strings.Contains(string(text), `"dropped":`)
	})
}

func TestLossCount(t *testing.T) {
	var l lossCount
	for i, look := range []struct{ counted, heard, lost uint64 }{
		{100, 0, 0},   // from before the connection
		{150, 20, 0},  // 30 may be on their way
		{150, 45, 5},  // not any longer
		{150, 45, 0},  // told once
		{160, 55, 0},  // all there
		{160, 55, 0},  //
		{5, 60, 0},    // set back
		{50, 70, 0},   //
		{50, 70, 35},  //
		{50, 100, 0},  // more than was counted
		{60, 100, 0},  //
		{200, 110, 0}, //
	} {
		if got := l.lost(look.counted, look.heard); got != look.lost {
			t.Errorf("look %d: %d are lost, want %d", i, got, look.lost)
		}
	}
}

func TestRulesAreCountedByTheSwitch(t *testing.T) {
	r := newRig(t)
	isolate := &abi.PutIsolation{Name: "all", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"pods"}}}
	r.commit(rule(abi.Egress, abi.Allow, false, "denied", "allowed"), rule(abi.Ingress, abi.Deny, false, "host", "unused"), isolate)
	for range 3 {
		if err := r.ask(r.pod.NetNS, "10.8.8.8:53"); !isTimeout(err) {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.ask(r.pod.NetNS, "10.9.9.9:53"); !isTimeout(err) {
			t.Fatal(err)
		}
	}
	var got string
	r.await("counters", func() bool {
		answer, err := r.agent.rules(r.ctx, url.Values{"module": {"test"}})
		r.must(err)
		var words []string
		for _, s := range answer.([]RuleStatus) {
			if !s.Installed || (s.Packets == 0) != (s.Bytes == 0) {
				t.Fatalf("rule %+v", s)
			}
			words = append(words, s.Kind, s.Name, s.Action, s.Direction, string('0'+rune(s.Packets)))
		}
		got = strings.Join(words, " ")
		return got == "isolation all deny egress 2 rule allowed allow egress 3 rule unused deny ingress 0"
	})
	answer, err := r.agent.rules(r.ctx, url.Values{"module": {"other"}})
	if err != nil || len(answer.([]RuleStatus)) != 0 {
		t.Errorf("rules of a module that is not there: %v, %v", answer, err)
	}
}
