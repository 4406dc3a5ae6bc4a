package testkit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

const historyLength = 30 // batches

// Section 5: after any history the module has in force what a fresh instance
// ends with when it is handed the whole state, with its objects in any order.
func pureFunction(ctx context.Context, k *kit) error {
	if len(k.objects()) == 0 && k.manifest.TickSeconds == 0 {
		return skip("the module watches no resources")
	}
	lived, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer lived.giveBack()
	fresh, err := k.start(ctx)
	if err != nil {
		return err
	}
	defer fresh.end()
	fresh.layer = lived.layer // so that what it emits is held against the history
	random := rand.New(rand.NewPCG(1, 1))
	w := k.newWorld()
	if _, err := lived.must("a reset without objects", true, true, w.snapshot(nil)...); err != nil {
		return err
	}
	for n := range historyLength {
		if _, err := lived.must(fmt.Sprintf("batch %d of a history", n), false, true, w.change(random)...); err != nil {
			return err
		}
		for order, arrange := range map[string]func([]*abi.ObjectPut){
			"sorted":    nil,
			"backwards": slices.Reverse[[]*abi.ObjectPut],
			"shuffled": func(list []*abi.ObjectPut) {
				random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			},
		} {
			o, err := fresh.must("the whole state, "+order, true, false, w.snapshot(arrange)...)
			if err != nil {
				return err
			}
			if !o.delta.Empty() {
				return fmt.Errorf("after batch %d of a history an instance that is handed the whole state (%s) ends with something else: %s", n, order, named(o.delta))
			}
		}
	}
	return nil
}

// Section 5: the clock, randomness and the instance do not matter: the same
// batches give the same bytes.
func deterministic(ctx context.Context, k *kit) error {
	var runs [2][][]byte
	for i := range runs {
		in, err := k.start(ctx)
		if err != nil {
			return err
		}
		defer in.end()
		random := rand.New(rand.NewPCG(2, 2))
		w := k.full()
		o, err := in.must("the whole state", true, true, w.snapshot(nil)...)
		if err != nil {
			return err
		}
		runs[i] = append(runs[i], o.emitted)
		for n := range historyLength {
			if o, err = in.must(fmt.Sprintf("batch %d of a history", n), false, true, w.change(random)...); err != nil {
				return err
			}
			runs[i] = append(runs[i], o.emitted)
		}
	}
	for n := range runs[0] {
		if !bytes.Equal(runs[0][n], runs[1][n]) {
			return fmt.Errorf("two instances that are handed the same batches emit different bytes for batch %d: it depends on the clock, on randomness or on the order of a map", n)
		}
	}
	return nil
}
