package policy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

func TestCheck(t *testing.T) {
	isolate := &abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"pods"}}}
	for _, test := range []struct {
		name     string
		base     []abi.Request
		reset    bool
		requests []abi.Request
		code     abi.EmitError
		says     string
	}{
		{"used set deleted", []abi.Request{allowing(nil)}, false, []abi.Request{&abi.DeleteSet{Name: "pods"}}, abi.UnknownSet, `set "pods"|rule "r"`},
		{"isolating set deleted", []abi.Request{isolate}, false, []abi.Request{&abi.DeleteSet{Name: "pods"}}, abi.UnknownSet, `isolation "i"`},
		{"with its rule", []abi.Request{allowing(nil)}, false, []abi.Request{&abi.DeleteSet{Name: "pods"}, &abi.DeleteRule{Name: "r"}}, abi.OK, ""},
		{"put again", []abi.Request{allowing(nil)}, false, []abi.Request{&abi.DeleteSet{Name: "pods"}, &abi.PutSet{Name: "pods", Spec: pods("b")}}, abi.OK, ""},
		{"new rule deleted again", nil, false, []abi.Request{allowing(nil), &abi.DeleteRule{Name: "r"}, &abi.DeleteSet{Name: "pods"}}, abi.OK, ""},
		{"rule moved to another set", []abi.Request{allowing(nil)}, false, []abi.Request{
			&abi.PutSet{Name: "other", Spec: pods("b")}, allowing(func(r *abi.RuleSpec) { r.Subjects = []string{"other"} }), &abi.DeleteSet{Name: "pods"},
		}, abi.OK, ""},
		{"subject becomes addresses", []abi.Request{allowing(nil)}, false, []abi.Request{&abi.PutSet{Name: "pods", Spec: &abi.Addresses{}}}, abi.Malformed, "no longer a set of Pods"},
		{"reset forgets the users", []abi.Request{allowing(nil)}, true, nil, abi.OK, ""},
		{"deleted within a reset", nil, true, []abi.Request{&abi.PutSet{Name: "pods", Spec: pods("a")}, allowing(nil), &abi.DeleteSet{Name: "pods"}}, abi.UnknownSet, `rule "r"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			layer := newLayer()
			txn := layer.Begin(false)
			stage(t, txn, &abi.PutSet{Name: "pods", Spec: pods("a")})
			stage(t, txn, test.base...)
			layer.Commit(txn)
			txn = layer.Begin(test.reset)
			stage(t, txn, test.requests...)
			err := txn.Check()
			if test.code == abi.OK {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var stageError *policy.StageError
			if !errors.As(err, &stageError) || stageError.Code != test.code {
				t.Fatalf("%v, want code %d", err, test.code)
			}
			for word := range strings.SplitSeq(test.says, "|") {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestResetSeesNothingOfBefore(t *testing.T) {
	layer := newLayer()
	txn := layer.Begin(false)
	stage(t, txn, &abi.PutSet{Name: "pods", Spec: pods("a")}, addresses(abi.Block{CIDR: "10.0.0.0/8"}))
	layer.Commit(txn)
	txn = layer.Begin(true)
	for _, r := range []abi.Request{allowing(nil), &abi.PatchSet{Name: "s"}} {
		var stageError *policy.StageError
		if err := txn.Stage(r); !errors.As(err, &stageError) || stageError.Code != abi.UnknownSet {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if d := txn.Delta(); len(d.DeleteSets) != 2 || len(d.PutSets) != 0 {
		t.Errorf("%+v", d)
	}
}

func TestLimits(t *testing.T) {
	layer := policy.NewLayer("m", 0, everything(), policy.Limits{Rules: 1, Sets: 2, Addresses: 3})
	txn := layer.Begin(false)
	stage(t, txn, &abi.PutSet{Name: "pods", Spec: pods("a")}, addresses(abi.Block{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}), allowing(nil), allowing(nil))
	refused := func(r abi.Request, says string) {
		t.Helper()
		var stageError *policy.StageError
		if err := txn.Stage(r); !errors.As(err, &stageError) || stageError.Code != abi.Quota || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	second := allowing(nil)
	second.Name = "second"
	refused(second, "2 rules and isolations and may hold 1")
	refused(&abi.PutIsolation{Name: "i", Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{"pods"}}}, "limits.rules")
	refused(&abi.PutSet{Name: "third", Spec: pods("a")}, "3 sets and may hold 2")
	refused(&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "11.0.0.0/8"}, {CIDR: "12.0.0.0/8"}}}, "4 blocks and excepts")
	stage(
		t, txn,
		&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "11.0.0.0/8"}}},
		&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "10.0.0.0/8"}, {CIDR: "12.0.0.0/8"}}, Remove: []string{"11.0.0.0/8", "11.0.0.0/8"}},
		&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "13.0.0.0/8"}}},
	)
	refused(&abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "14.0.0.0/8"}}}, "4 blocks")
	layer.Commit(txn)
	if size := layer.Size(); size != (policy.Limits{Rules: 1, Sets: 2, Addresses: 3}) {
		t.Errorf("%+v", size)
	}
}

func TestCommitOfAStaleTransactionPanics(t *testing.T) {
	layer := newLayer()
	stale, first := layer.Begin(false), layer.Begin(false)
	stage(t, first, &abi.PutSet{Name: "pods", Spec: pods("a")})
	layer.Commit(first)
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	layer.Commit(stale)
}

// plain is a layer kept the plainest way: the requests in force by name.
type plain struct {
	sets       map[string]map[string][]string // CIDR to excepts; nil: no addresses
	rules      map[string]string
	isolations map[string]string
}

func newPlain() *plain {
	return &plain{map[string]map[string][]string{}, map[string]string{}, map[string]string{}}
}

// TestAnyTransactions: after any random transactions a layer holds what a
// plain map holds, a mirror that applied the Deltas holds the same, frozen
// layers stay, and saying everything again after a reset changes nothing.
func TestAnyTransactions(t *testing.T) {
	for range 5 {
		rapid.Check(t, func(t *rapid.T) {
			layer, world, mirror := newLayer(), newPlain(), map[string]string{}
			frozen, text := layer.Freeze(), textOf(layer)
			for range rapid.IntRange(1, 8).Draw(t, "transactions") {
				reset := rapid.IntRange(0, 3).Draw(t, "reset") == 0
				txn := layer.Begin(reset)
				next := world.copy()
				if reset {
					next = newPlain()
				}
				for range rapid.IntRange(0, 12).Draw(t, "requests") {
					randomRequest(t, txn, next)
				}
				if txn.Check() != nil || rapid.IntRange(0, 4).Draw(t, "forget") == 0 {
					continue
				}
				applyDelta(t, mirror, txn.Delta())
				layer.Commit(txn)
				world = next
				if got, want := textOf(layer), world.text(); got != want {
					t.Fatalf("the layer holds\n%s\nwant\n%s", got, want)
				}
				if got, want := mirrorText(mirror), fullText(layer); got != want {
					t.Fatalf("the mirror holds\n%s\nwant\n%s", got, want)
				}
				again := layer.Begin(true)
				for s := range layer.Sets() {
					stage2(t, again, &abi.PutSet{Name: s.Name, Spec: shuffled(t, s.Spec)})
				}
				for r := range layer.Rules() {
					stage2(t, again, &abi.PutRule{Name: r.Name, Spec: r.Spec})
				}
				for i := range layer.Isolations() {
					stage2(t, again, &abi.PutIsolation{Name: i.Name, Spec: i.Spec})
				}
				if d := again.Delta(); !d.Empty() || again.Size() != layer.Size() {
					t.Fatalf("saying everything again changes %+v, size %+v to %+v", d, layer.Size(), again.Size())
				}
			}
			if got := textOf(frozen); got != text {
				t.Fatalf("a frozen layer changed from %s to %s", text, got)
			}
		})
	}
}

func stage2(t *rapid.T, txn *policy.Txn, r abi.Request) {
	if err := txn.Stage(r); err != nil {
		t.Fatal(err)
	}
}

func shuffled(t *rapid.T, spec abi.SetSpec) abi.SetSpec {
	if a, is := spec.(*abi.Addresses); is && len(a.Blocks) > 0 {
		return &abi.Addresses{Blocks: rapid.Permutation(a.Blocks).Draw(t, "order")}
	}
	return spec
}

func randomRequest(t *rapid.T, txn *policy.Txn, world *plain) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	set := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "set")
	block := func() abi.Block {
		b := abi.Block{CIDR: rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "fd00::/8"}).Draw(t, "cidr")}
		if b.CIDR == "10.0.0.0/8" && rapid.Bool().Draw(t, "except") {
			b.Except = []string{"10.2.0.0/16"}
		}
		return b
	}
	cidrs, exists := world.sets[set]
	switch rapid.IntRange(0, 7).Draw(t, "request") {
	case 0:
		stage2(t, txn, &abi.PutSet{Name: set, Spec: pods(name)})
		world.sets[set] = nil
	case 1:
		b := block()
		stage2(t, txn, &abi.PutSet{Name: set, Spec: &abi.Addresses{Blocks: []abi.Block{b}}})
		world.sets[set] = map[string][]string{b.CIDR: b.Except}
	case 2:
		b, gone := block(), block().CIDR
		err := txn.Stage(&abi.PatchSet{Name: set, Add: []abi.Block{b}, Remove: []string{gone}})
		if (err == nil) != (exists && cidrs != nil) {
			t.Fatalf("patch of %v: %v", cidrs, err)
		}
		if err == nil {
			delete(cidrs, gone)
			cidrs[b.CIDR] = b.Except
		}
	case 3:
		stage2(t, txn, &abi.DeleteSet{Name: set})
		delete(world.sets, set)
	case 4, 5:
		r := allowing(func(r *abi.RuleSpec) { r.Subjects = []string{set} })
		r.Name = name
		r.Spec.Priority = int32(rapid.IntRange(0, 1).Draw(t, "priority"))
		err := txn.Stage(r)
		if (err == nil) != (exists && cidrs == nil) {
			t.Fatalf("rule for %v: %v", cidrs, err)
		}
		if err == nil {
			world.rules[name] = fmt.Sprint(set, r.Spec.Priority)
		}
	case 6:
		i := &abi.PutIsolation{Name: name, Spec: abi.IsolationSpec{Tier: abi.Network, Direction: abi.Egress, Subjects: []string{set}}}
		if txn.Stage(i) == nil {
			world.isolations[name] = set
		}
	case 7:
		if rapid.Bool().Draw(t, "rule") {
			stage2(t, txn, &abi.DeleteRule{Name: name})
			delete(world.rules, name)
		} else {
			stage2(t, txn, &abi.DeleteIsolation{Name: name})
			delete(world.isolations, name)
		}
	}
}

func (p *plain) copy() *plain {
	c := newPlain()
	for name, cidrs := range p.sets {
		c.sets[name] = nil
		if cidrs != nil {
			c.sets[name] = map[string][]string{}
		}
		for cidr, except := range cidrs {
			c.sets[name][cidr] = except
		}
	}
	for k, v := range p.rules {
		c.rules[k] = v
	}
	for k, v := range p.isolations {
		c.isolations[k] = v
	}
	return c
}

func (p *plain) text() string { return fmt.Sprint(p.sets, p.rules, p.isolations) }

func textOf(l *policy.Layer) string {
	p := newPlain()
	for s := range l.Sets() {
		p.sets[s.Name] = nil
		if a, is := s.Spec.(*abi.Addresses); is {
			p.sets[s.Name] = map[string][]string{}
			for _, b := range a.Blocks {
				p.sets[s.Name][b.CIDR] = b.Except
			}
		}
	}
	for r := range l.Rules() {
		p.rules[r.Name] = fmt.Sprint(r.Spec.Subjects[0], r.Spec.Priority)
	}
	for i := range l.Isolations() {
		p.isolations[i.Name] = i.Spec.Subjects[0]
	}
	return p.text()
}

func applyDelta(t *rapid.T, mirror map[string]string, d policy.Delta) {
	put := func(key, text string) {
		if mirror[key] == text {
			t.Fatalf("%s is put but is the same", key)
		}
		mirror[key] = text
	}
	remove := func(key string) {
		if _, there := mirror[key]; !there {
			t.Fatalf("%s is deleted but was not there", key)
		}
		delete(mirror, key)
	}
	for _, s := range d.PutSets {
		put("set "+s.Name, fmt.Sprintf("%+v", s.Spec))
	}
	for _, r := range d.PutRules {
		put("rule "+r.Name, fmt.Sprintf("%+v", r.Spec))
	}
	for _, i := range d.PutIsolations {
		put("isolation "+i.Name, fmt.Sprintf("%+v", i.Spec))
	}
	for _, k := range d.DeleteRules {
		remove("rule " + k.Name)
	}
	for _, k := range d.DeleteIsolations {
		remove("isolation " + k.Name)
	}
	for _, k := range d.DeleteSets {
		remove("set " + k.Name)
	}
}

func mirrorText(mirror map[string]string) string { return fmt.Sprint(mirror) }

func fullText(l *policy.Layer) string {
	all := map[string]string{}
	for s := range l.Sets() {
		all["set "+s.Name] = fmt.Sprintf("%+v", s.Spec)
	}
	for r := range l.Rules() {
		all["rule "+r.Name] = fmt.Sprintf("%+v", r.Spec)
	}
	for i := range l.Isolations() {
		all["isolation "+i.Name] = fmt.Sprintf("%+v", i.Spec)
	}
	return fmt.Sprint(all)
}

// TestManyPatches: a set that comes in many patches is whole and sorted.
func TestManyPatches(t *testing.T) {
	const n = 200_000
	layer := newLayer()
	txn := layer.Begin(false)
	stage(t, txn, addresses())
	for at := 0; at < n; at += 1000 {
		patch := &abi.PatchSet{Name: "s"}
		for i := at; i < at+1000; i++ {
			patch.Add = append(patch.Add, abi.Block{CIDR: cidrNumber((i * 7919) % n)})
		}
		stage(t, txn, patch)
	}
	layer.Commit(txn)
	set, _ := layer.Set("s")
	blocks := set.Spec.(*abi.Addresses).Blocks
	sorted := slices.IsSortedFunc(blocks, func(a, b abi.Block) int {
		return netip.MustParsePrefix(a.CIDR).Compare(netip.MustParsePrefix(b.CIDR))
	})
	if len(blocks) != n || !sorted || layer.Size().Addresses != n {
		t.Errorf("%d blocks, sorted %v, size %+v", len(blocks), sorted, layer.Size())
	}
}

func cidrNumber(i int) string {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24).String()
}

func largeLayer(tb testing.TB) *policy.Layer {
	layer := newLayer()
	txn := layer.Begin(false)
	for i := range 50_000 {
		stage(tb, txn, &abi.PutSet{Name: strconv.Itoa(i), Spec: pods("a")})
	}
	for i := range 100_000 {
		stage(tb, txn, ruleNumber(i))
	}
	layer.Commit(txn)
	return layer
}

func ruleNumber(i int) *abi.PutRule {
	return &abi.PutRule{Name: "rule-" + strconv.Itoa(i), Spec: abi.RuleSpec{
		Tier: abi.Network, Direction: abi.Ingress, Subjects: []string{strconv.Itoa(i % 50_000)}, AnyPeer: true, Action: abi.Allow,
		Ports: []abi.Port{{Protocol: abi.TCP, First: 80, Last: 80}},
	}}
}

// BenchmarkOneRule changes one rule of 100,000, from Begin to Commit.
func BenchmarkOneRule(b *testing.B) {
	layer := largeLayer(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		txn := layer.Begin(false)
		r := ruleNumber(i % 100_000)
		r.Spec.Priority = int32(i)
		stage(b, txn, r)
		if err := txn.Check(); err != nil || len(txn.Delta().PutRules) != 1 {
			b.Fatal(err)
		}
		layer.Commit(txn)
	}
}

// BenchmarkResetUnchanged says all of 100,000 rules and 50,000 sets again.
func BenchmarkResetUnchanged(b *testing.B) {
	layer := largeLayer(b)
	b.ReportAllocs()
	for b.Loop() {
		txn := layer.Begin(true)
		for i := range 50_000 {
			stage(b, txn, &abi.PutSet{Name: strconv.Itoa(i), Spec: pods("a")})
		}
		for i := range 100_000 {
			stage(b, txn, ruleNumber(i))
		}
		if !txn.Delta().Empty() {
			b.Fatal("something changed")
		}
		layer.Commit(txn)
	}
}

// BenchmarkPatchMillion patches one CIDR of a set of a million.
func BenchmarkPatchMillion(b *testing.B) {
	layer := newLayer()
	txn := layer.Begin(false)
	blocks := make([]abi.Block, 999_999)
	for i := range blocks {
		blocks[i].CIDR = cidrNumber(i)
	}
	stage(b, txn, addresses(blocks...))
	layer.Commit(txn)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		txn := layer.Begin(false)
		patch := &abi.PatchSet{Name: "s", Add: []abi.Block{{CIDR: "10.9.8.0/24"}}}
		if i%2 == 0 {
			patch = &abi.PatchSet{Name: "s", Remove: []string{"10.9.8.0/24"}}
		}
		stage(b, txn, patch)
		if len(txn.Delta().PutSets) != 1 {
			b.Fatal("nothing changed")
		}
		layer.Commit(txn)
	}
}
