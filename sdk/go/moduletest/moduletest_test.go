package moduletest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	sluice "github.com/sluice-net/sluice/sdk/go"
)

// failures is a testing.TB that collects what would fail a test.
type failures struct {
	testing.TB
	list []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// module puts a rule for each object; the variations are mistakes that authors
// make.
type module struct {
	mistake string
	seen    int
	kept    [][]byte
}

func (m *module) Reset() { m.seen = 0 }

func (m *module) Configure(tx *sluice.Tx, json []byte) error {
	if err := tx.PutSet("direct", set("direct").Spec); err != nil {
		return err
	}
	return tx.Declare("config", set("all"), &abi.PutSet{Name: "config-" + string(json), Spec: &abi.Nodes{}})
}

func (m *module) Put(tx *sluice.Tx, o sluice.Object) error {
	m.seen++
	name := o.Name
	r := abi.RuleSpec{Tier: abi.Network, Direction: abi.Ingress, Action: abi.Allow, Subjects: []string{"all"}, AnyPeer: true}
	switch m.mistake {
	case "counts":
		r.Priority = int32(m.seen)
	case "keeps bytes":
		m.kept = append(m.kept, o.JSON)
		name = string(m.kept[0][:1])
	case "unknown set":
		r.Peers, r.AnyPeer = []string{"nothing"}, false
	case "subjects are nodes":
		r.Subjects = []string{"config-"}
	case "deletes a set in use":
		r.Subjects = []string{"direct"}
		if err := tx.PutRule(name, r); err != nil {
			return err
		}
		return tx.DeleteSet("direct")
	case "no peers":
		r.AnyPeer = false
	case "no subjects":
		r.Subjects = nil
	case "long name":
		name = strings.Repeat("n", abi.MaxName+1)
	case "bad patch":
		return tx.PatchSet("all", nil, nil)
	case "forgets to delete":
		r.Subjects = []string{"direct"}
		return tx.PutRule(name, r)
	}
	return tx.Declare(o.ID(), &abi.PutRule{Name: name, Spec: r})
}

func (m *module) Delete(tx *sluice.Tx, o sluice.Object) error { return tx.Declare(o.ID()) }

func set(name string) *abi.PutSet {
	return &abi.PutSet{Name: name, Spec: &abi.Pods{NamespaceSelector: &abi.Selector{}}}
}

func TestMistakesAreFound(t *testing.T) {
	for _, c := range []struct {
		mistake string
		fails   string // what the host says, or else
		logs    string // what the module is told
	}{
		{mistake: ""},
		{mistake: "counts", fails: "rule a: differs"},
		{mistake: "keeps bytes", fails: "rule ?: only by history"},
		{mistake: "forgets to delete", fails: "rule a: only by history"},
		{mistake: "deletes a set in use", fails: "rule a names set direct, which does not exist"},
		{mistake: "unknown set", logs: "rule a names set nothing, which does not exist: put it first"},
		{mistake: "subjects are nodes", logs: "rule a has subject config-, which is no set of Pods"},
		{mistake: "no peers", logs: "rule a: has no peers"},
		{mistake: "no subjects", logs: "rule a: has no subjects"},
		{mistake: "long name", logs: "has 254 bytes, at most 253 are allowed"},
		{mistake: "bad patch", logs: "patch of set all: there is no such set of addresses"},
	} {
		t.Run(c.mistake, func(t *testing.T) {
			f := &failures{TB: t}
			h := New(f, func() sluice.Module { return &module{mistake: c.mistake} })
			var logs []string
			for _, r := range []Result{
				h.Put("pods", `{"metadata":{"name":"a"}}`),
				h.Put("pods", `{"metadata":{"name":"b"}}`),
				h.Put("pods", `{"metadata":{"name":"a","generation":2}}`),
				h.Delete("pods", "", "a"),
			} {
				logs = append(logs, r.Logs...)
			}
			// What the host refuses makes the batch void, and a fresh instance no
			// better: only the first is looked at.
			if c.logs != "" {
				f.list = nil
			}
			if got := strings.Join(f.list, "\n"); !strings.Contains(got, c.fails) || (got == "") != (c.fails == "") {
				t.Errorf("the test would fail with %q, want %q", got, c.fails)
			}
			if got := strings.Join(logs, "\n"); !strings.Contains(got, c.logs) || (got == "") != (c.logs == "") {
				t.Errorf("logs %q, want %q", got, c.logs)
			}
		})
	}
}

func TestConfigureResetAndRefuse(t *testing.T) {
	h := New(t, func() sluice.Module { return &module{} }, "x")
	h.Put("pods", `{"metadata":{"name":"a"}}`)
	if r := h.Configure("y"); len(r.Requests) != 3 {
		t.Errorf("%d requests for a new configuration", len(r.Requests))
	}
	if _, ok := h.Set("config-y"); !ok {
		t.Error("the configuration is not in force")
	}
	if r := h.Reset(); r.Code != abi.Commit || len(r.Requests) != 4 {
		t.Errorf("after a reset: %+v", r)
	}
	h.Refuse = func(r abi.Request) abi.EmitError {
		if _, rule := r.(*abi.PutRule); rule {
			return abi.Quota
		}
		return abi.OK
	}
	h.NoResetCheck = true
	before := fmt.Sprint(h.State())
	if r := h.Put("pods", `{"metadata":{"name":"b"}}`); r.Code != abi.CannotDo {
		t.Errorf("a refused batch returns %d", r.Code)
	}
	if after := fmt.Sprint(h.State()); after != before {
		t.Errorf("a refused batch changed the state from %s to %s", before, after)
	}
	h.Refuse = nil
	if r := h.Put("pods", `{"metadata":{"name":"c"}}`); len(r.Requests) != 2 {
		t.Errorf("%d requests after a refusal, want those of b and c", len(r.Requests))
	}
}

func TestPatch(t *testing.T) {
	s := newState()
	for _, r := range []abi.Request{
		&abi.PutSet{Name: "s", Spec: &abi.Addresses{Blocks: []abi.Block{{CIDR: "a"}, {CIDR: "b", Except: []string{"x"}}, {CIDR: "c"}}}},
		&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "b"}, {CIDR: "d"}}, Remove: []string{"a", "nothing"}},
	} {
		if code, err := s.apply(r); code != abi.OK {
			t.Fatal(code, err)
		}
	}
	got := fmt.Sprint(s.Sets["s"].(*abi.Addresses).Blocks)
	if want := "[{c []} {b []} {d []}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
