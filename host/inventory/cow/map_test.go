package cow_test

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/host/inventory/cow"
)

// TestAgainstBuiltinMaps changes maps at random, branching off views, and holds
// each against a built-in map.
func TestAgainstBuiltinMaps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var m cow.Map[int, int]
	want := map[int]int{}
	type frozen struct {
		view cow.View[int, int]
		want map[int]int
	}
	var views []frozen
	for step := range 20_000 {
		key := random.IntN(3000)
		switch n := random.IntN(1000); {
		case n < 700:
			m.Set(key, step)
			want[key] = step
		case n < 995:
			m.Delete(key)
			delete(want, key)
		case n < 998:
			views = append(views, frozen{m.View(), maps.Clone(want)})
		case len(views) > 0: // go on from an older state
			from := views[random.IntN(len(views))]
			m, want = from.view.Edit(), maps.Clone(from.want)
		}
		if got, there := m.Get(key); m.Len() != len(want) || got != want[key] {
			t.Fatalf("step %d: %d %v, want %d of %d entries", step, got, there, want[key], len(want))
		}
	}
	views = append(views, frozen{m.View(), want})
	for i, v := range views {
		if got := maps.Collect(v.view.All()); !maps.Equal(got, v.want) || v.view.Len() != len(v.want) {
			t.Fatalf("view %d of %d changed: %d entries, want %d", i, len(views), len(got), len(v.want))
		}
	}
	for range m.All() {
		break // a loop may end early
	}
}

func TestZero(t *testing.T) {
	var v cow.View[string, int]
	if _, there := v.Get("x"); there || v.Len() != 0 {
		t.Error("the zero View is not empty")
	}
	m := v.Edit()
	m.Delete("x")
	m.Set("x", 1)
	if one, there := m.Get("x"); !there || one != 1 || v.Len() != 0 {
		t.Errorf("%d %v, the View has %d", one, there, v.Len())
	}
}

func BenchmarkSetAfterView(b *testing.B) {
	var m cow.Map[int, int]
	for i := range 100_000 {
		m.Set(i, i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		m.View()
		m.Set(i%100_000, i)
	}
}
