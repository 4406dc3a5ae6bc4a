package datapath_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/tests/flowsim"
)

// onePod has a local Pod that is in set "s".
func onePod(t *testing.T, limits datapath.Limits) *world {
	w := newWorldWithin(t, flowsim.New(), limits)
	w.inv.PutNamespace(inventory.Namespace{Name: "x"})
	p := inventory.Pod{
		Namespace: "x", Name: "p1", Node: nodeName, Labels: map[string]string{"app": "a"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Ports:     []inventory.NamedPort{{Name: "web", Protocol: abi.TCP, Number: 80}},
	}
	w.putPod(p)
	w.attach(p)
	w.commit(t, "first", true, podSet)
	w.realise(t)
	return w
}

var podSet = []abi.Request{&abi.PutSet{Name: "s", Spec: &abi.Pods{Namespaces: []string{"x"}}}}

// manyBlocks is a set of n CIDRs and a rule that denies them.
func manyBlocks(n int) []abi.Request {
	var a abi.Addresses
	for i := range n {
		a.Blocks = append(a.Blocks, abi.Block{CIDR: fmt.Sprintf("172.16.%d.%d/32", i/256, i%256)})
	}
	return []abi.Request{
		&abi.PutSet{Name: "far", Spec: &a},
		&abi.PutRule{Name: "deny", Spec: abi.RuleSpec{
			Tier: abi.Network, Direction: abi.Egress, Subjects: []string{"s"}, Peers: []string{"far"}, Action: abi.Deny,
			Ports: []abi.Port{{Protocol: abi.TCP, Name: "web"}, {Protocol: abi.TCP, First: 1, Last: 1}},
		}},
	}
}

// manyRules are n rules with distinct ports.
func manyRules(n int) (out []abi.Request) {
	for i := range n {
		out = append(out, &abi.PutRule{Name: fmt.Sprintf("r%d", i), Spec: abi.RuleSpec{
			Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"s"}, AnyPeer: true, Action: abi.Allow,
			Ports: []abi.Port{{Protocol: abi.TCP, First: uint16(i + 1), Last: uint16(i + 1)}},
		}})
	}
	return out
}

func TestSemantics32WhatCompilesToTooMuchIsRefused(t *testing.T) {
	for _, c := range []struct {
		name     string
		limits   datapath.Limits
		requests []abi.Request
		want     []string
	}{
		{
			"flows of blocks",
			datapath.Limits{Flows: 1000},
			manyBlocks(600),
			[]string{`module "first"`, "would need ", " flows (now ", "the limit is 1000", "limits.flows"},
		},
		{
			"far more than can be counted",
			datapath.Limits{Flows: 1000},
			manyBlocks(6000),
			[]string{"more than ", "flows", "the limit is 1000"},
		},
		{
			"flows of rules",
			datapath.Limits{Flows: 300},
			manyRules(200),
			[]string{"flows", "the limit is 300"},
		},
		{
			"far too many rules",
			datapath.Limits{Flows: 300},
			manyRules(2000),
			[]string{"more than ", "flows", "the limit is 300"},
		},
		{
			"clauses",
			datapath.Limits{Clauses: 300},
			manyRules(200),
			[]string{"would need 800 conjunction clauses (now 0)", "the limit is 300", "limits.clauses"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := onePod(t, c.limits)
			before := canonical(w.sw)
			l := w.layers["first"]
			txn := l.Begin(false)
			for _, r := range c.requests {
				if err := txn.Stage(r); err != nil {
					t.Fatal(err)
				}
			}
			err := w.dp.Commit(txn.Delta())
			var tooMuch *datapath.TooMuchError
			if !errors.As(err, &tooMuch) {
				t.Fatalf("commit: %v, want a TooMuchError", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the refusal is %q, without %q", err, part)
				}
			}
			if n := w.realise(t); n != 0 || !slices.Equal(before, canonical(w.sw)) {
				t.Errorf("what was in force did not stay: %d flows were written", n)
			}
			// The node is not spoiled by it: what is little goes on being accepted.
			w.commit(t, "first", false, append(manyBlocks(3), manyRules(3)...))
			w.realise(t)
			fresh := newWorld(t)
			fresh.learn(t, w)
			if got, want := canonical(w.sw), canonical(fresh.sw); !slices.Equal(got, want) {
				t.Errorf("after a refusal the flows differ from those of a fresh start:\n%s\n%s",
					strings.Join(without(got, want), "\n"), strings.Join(without(want, got), "\n"))
			}
		})
	}
}

func TestSemantics32WhoeverIsAboveTheLimitMayGoDown(t *testing.T) {
	w := onePod(t, datapath.Limits{Flows: 1000})
	l := w.layers["first"]
	txn := l.Begin(false)
	for _, r := range append(manyBlocks(800), manyRules(10)...) {
		if err := txn.Stage(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.dp.Restore(txn.Delta()); err != nil {
		t.Fatalf("restoring what was in force once is refused: %v", err)
	}
	l.Commit(txn)
	w.commit(t, "first", false, []abi.Request{&abi.DeleteRule{Name: "r1"}})
	w.commit(t, "first", true, podSet)
	if n := l.Size().Rules; n != 0 {
		t.Errorf("%d rules are left", n)
	}
}

func TestSemantics32AnyHistoryWithRefusalsEndsAsAFreshStartWould(t *testing.T) {
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorldWithin(t, flowsim.New(), datapath.Limits{Flows: rapid.IntRange(60, 200).Draw(t, "flows")})
		w.bounded = true
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.step(t)
		}
		w.realise(t)
		w.check(t)
		fresh := newWorld(t)
		fresh.learn(t, w)
		if got, want := canonical(w.sw), canonical(fresh.sw); !slices.Equal(got, want) {
			t.Fatalf("flows differ from those of a fresh start:\nonly here:  %s\nonly fresh: %s",
				strings.Join(without(got, want), "\n            "), strings.Join(without(want, got), "\n            "))
		}
		refused += w.refused
	})
	if refused == 0 {
		t.Error("no transaction was refused: the test proves nothing")
	}
	t.Logf("%d transactions were refused", refused)
}

// Ten thousand rules that all meet in one class: no flow outgrows the 65535 bytes
// of an OpenFlow message.
func TestSemantics32NoFlowOutgrowsItsMessage(t *testing.T) {
	w := onePod(t, datapath.Limits{})
	w.commit(t, "first", false, manyRules(10_000))
	w.realise(t)
	if err := w.dp.Connect(context.Background(), w.sw); err != nil {
		t.Fatal(err)
	}
	most := 0
	for _, f := range w.sw.Flows() {
		actions, err := f.Actions.Decode()
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, len(actions))
	}
	if most < 1000 || most*16 > 65000 {
		t.Errorf("the largest flow has %d clauses; want many, and no more than fit into a message", most)
	}
}
