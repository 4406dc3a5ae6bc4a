package datapath_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// The registers that say who decided.
const egressBy, ingressBy = 7, 8

// checkDecisions holds what a packet carries of who decided, and what the agent is
// told of it, against the model.
func (w *world) checkDecisions(
	t fataler, view policy.View, portOf map[netip.Addr]uint32, p policy.Packet, sent flowsim.Packet, verdict policy.Verdict, out flowsim.Outcome,
) {
	log := w.audited[w.spaceOf(p.Source, portOf)] || w.audited[w.spaceOf(p.Destination, portOf)]
	var denied abi.Direction
	refuse := false
	for _, d := range []struct {
		direction abi.Direction
		subject   netip.Addr
		decision  policy.Decision
		by        uint32
	}{
		{abi.Egress, p.Source, verdict.Egress, out.Registers[egressBy]},
		{abi.Ingress, p.Destination, verdict.Ingress, out.Registers[ingressBy]},
	} {
		asked := portOf[d.subject] != 0 && denied == 0
		if !asked || d.decision.Tier == 0 {
			if d.by != 0 {
				t.Fatalf("packet %+v: %d is recorded to have decided direction %d, the model says nobody: %+v\n%s", sent, d.by, d.direction, d.decision, w.dump())
			}
			continue
		}
		if d.decision.Verdict != abi.Allow {
			denied, refuse = d.direction, d.decision.Verdict == abi.Reject
		}
		if w.checkDecider(t, view, p, d.direction, d.decision, d.by) {
			log = true
		}
	}
	var want [][]byte
	if refuse {
		want = append(want, []byte{byte(datapath.KindRefuse), byte(denied)})
	}
	if log && (denied != 0 || sent.Connection.State == of.CTNew) {
		want = append(want, []byte{byte(datapath.KindLog), byte(denied)})
	}
	var got [][]byte
	for _, s := range out.Sent {
		got = append(got, s.UserData)
		if s.Registers != out.Registers {
			t.Fatalf("packet %+v: the agent gets registers %v, at the end they are %v", sent, s.Registers, out.Registers)
		}
		if s.MeterID == 0 {
			t.Fatalf("packet %+v is sent to the agent without a meter", sent)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("packet %+v: the agent is sent %v, want %v\negress  %+v\ningress %+v\n%s", sent, got, want, verdict.Egress, verdict.Ingress, w.dump())
	}
}

// checkDecider wants the recorded number to be of a rule that the model could as
// well have named, and returns whether it logs.
func (w *world) checkDecider(t fataler, view policy.View, p policy.Packet, direction abi.Direction, model policy.Decision, by uint32) (log bool) {
	got, known := w.dp.Decider(by)
	if !known {
		t.Fatalf("packet %+v: direction %d was decided by number %d, which is nobody's; the model says %+v", p, direction, by, model)
	}
	if got.Isolation {
		if !slices.ContainsFunc(model.Isolations, func(i policy.Isolation) bool { return i.Key == got.Key }) {
			t.Fatalf("packet %+v: direction %d was decided by isolation %v, the model says %+v", p, direction, got.Key, model)
		}
		return false
	}
	named, isRule := view.Layers[slices.IndexFunc(view.Layers, func(l *policy.Layer) bool { return l.Module() == model.Module })].Rule(model.Name)
	if !isRule || len(model.Isolations) > 0 {
		t.Fatalf("packet %+v: direction %d was decided by rule %v, the model says %+v", p, direction, got.Key, model)
	}
	a, b := got.Spec, named.Spec
	if got.Module != model.Module || a.Tier != b.Tier || a.Direction != b.Direction || a.Action != b.Action || a.Priority != b.Priority {
		t.Fatalf("packet %+v: direction %d was decided by %+v, the model says %+v", p, direction, got, named)
	}
	if b.Log && !a.Log {
		t.Fatalf("packet %+v: rule %v, which does not log, hides %v, which does", p, got.Key, named.Key)
	}
	// The rule by itself must decide so too.
	alone := policy.Evaluate(policy.View{Inventory: view.Inventory, Layers: []*policy.Layer{w.only(t, got)}}, p)
	decision := alone.Ingress
	if direction == abi.Egress {
		decision = alone.Egress
	}
	if decision.Name != got.Name {
		t.Fatalf("packet %+v: direction %d was decided by %+v, which does not match it", p, direction, got)
	}
	return a.Log
}

// only is a layer with one of the rules.
func (w *world) only(t fataler, rule datapath.Decider) *policy.Layer {
	if l := w.alone[rule.Key]; l != nil {
		return l
	}
	l := policy.NewLayer(rule.Module, 1, grant, policy.Limits{})
	txn := l.Begin(true)
	for s := range w.layers[rule.Module].Sets() {
		if err := txn.Stage(&abi.PutSet{Name: s.Name, Spec: s.Spec}); err != nil {
			t.Fatalf("stage: %v", err)
		}
	}
	if err := txn.Stage(&abi.PutRule{Name: rule.Name, Spec: rule.Spec}); err != nil {
		t.Fatalf("stage: %v", err)
	}
	l.Commit(txn)
	w.alone[rule.Key] = l
	return l
}

// spaceOf is the namespace of a local Pod.
func (w *world) spaceOf(a netip.Addr, portOf map[netip.Addr]uint32) string {
	if portOf[a] == 0 {
		return ""
	}
	for _, p := range w.pods {
		if slices.Contains(p.Addresses, a) {
			return p.Namespace
		}
	}
	return ""
}

// A rule that rejects and logs takes as many flows as one that only denies.
func TestDecisionsTakeNoFlowsPerRule(t *testing.T) {
	count := func(action abi.Action, log bool) int {
		w := onePod(t, datapath.Limits{})
		requests := manyRules(100)
		for _, r := range requests {
			r.(*abi.PutRule).Spec.Action, r.(*abi.PutRule).Spec.Log = action, log
		}
		w.commit(t, "first", false, requests)
		w.dp.LogNamespace("x", log)
		w.realise(t)
		return len(w.sw.Flows())
	}
	plain := count(abi.Allow, false)
	for _, action := range []abi.Action{abi.Allow, abi.Deny, abi.Reject} {
		guard := 0
		if action != abi.Allow {
			// One of the Pod's class against invalid packets, and none for the later
			// fragments of either family.
			guard = 1 - 2
		}
		if n := count(action, true); n != plain+guard {
			t.Errorf("100 rules of action %d that log take %d flows, and %d if they only allow", action, n, plain)
		}
	}
}

func TestWithoutMetersNothingIsSentToTheAgent(t *testing.T) {
	sw := flowsim.New()
	sw.Meterless = true
	w := newWorldOn(t, sw)
	w.realise(t)
	if w.dp.TellsAgent() {
		t.Error("the datapath says that the agent is told")
	}
	flows := len(sw.Flows())
	sw.Meterless = false
	if err := w.dp.Connect(context.Background(), sw); err != nil {
		t.Fatal(err)
	}
	w.realise(t)
	if more := len(sw.Flows()) - flows; !w.dp.TellsAgent() || more != 8 {
		t.Errorf("with meters the agent is told: %t, by %d flows; want 8", w.dp.TellsAgent(), more)
	}
}
