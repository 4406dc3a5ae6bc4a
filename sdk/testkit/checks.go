package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// Sections 2 and 5: a reset with nothing, and a batch with nothing, are handled.
func emptyState(ctx context.Context, k *kit) error {
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	if _, err := in.must("a reset without objects", true, true, k.newWorld().snapshot(nil)...); err != nil {
		return err
	}
	o, err := in.must("a batch without events", false, true)
	if err == nil && !o.delta.Empty() {
		err = errors.New("a batch without events changes something: " + named(o.delta))
	}
	return err
}

// later is what this version does not know: as fields of an EventBatch, and as
// an event.
var later = []byte{
	0xa0, 0x06, 0x01, // field 100, a number
	0xaa, 0x06, 3, 'a', 'b', 'c', // field 101, bytes
	0xb5, 0x06, 1, 2, 3, 4, // field 102, 32 bits
	0xb9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, // field 103, 64 bits
	0x1a, 4, 0x7a, 2, 0x08, 1, // an event of kind 15
	0x1a, 0, // an event of no kind
}

// Section 6: what is not known is passed over.
func laterVersions(ctx context.Context, k *kit) error {
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	w := k.full()
	if _, err := in.must("the whole state", true, true, w.snapshot(nil)...); err != nil {
		return err
	}
	for _, reset := range []bool{false, true} {
		in.sequence++
		b := &abi.EventBatch{Sequence: in.sequence, Reset: reset}
		if reset {
			b.Events = w.snapshot(nil)
		}
		o, err := in.handleBytes(append(abi.AppendEventBatch(nil, b), later...), reset, true)
		if err := in.committed("a batch with fields and events of a later version", o, err); err != nil {
			return err
		}
		if !o.delta.Empty() {
			return errors.New("fields and events of a later version change something: " + named(o.delta))
		}
	}
	return nil
}

// Section 5: a delete of an unknown object does nothing.
func unknownDeletes(ctx context.Context, k *kit) error {
	if len(k.manifest.Resources) == 0 {
		return skip("the module watches no resources")
	}
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	if _, err := in.must("the whole state", true, true, k.full().snapshot(nil)...); err != nil {
		return err
	}
	for _, resource := range k.manifest.Resources {
		gone := &abi.ObjectDelete{Resource: resource, Namespace: "nowhere", Name: "never-there", UID: "u"}
		o, err := in.must("a delete of "+resource+" that were never there", false, true, gone, gone)
		if err != nil {
			return err
		}
		if !o.delta.Empty() {
			return errors.New("a delete of what was never there changes something: " + named(o.delta))
		}
	}
	return nil
}

// An object that nobody can read must not end the module, and when it is gone all
// is as it was.
func unreadableObjects(ctx context.Context, k *kit) error {
	if len(k.manifest.Resources) == 0 {
		return skip("the module watches no resources")
	}
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	whole := k.full().snapshot(nil)
	if _, err := in.must("the whole state", true, true, whole...); err != nil {
		return err
	}
	for _, resource := range k.manifest.Resources {
		for _, text := range []string{"", "{}", "[]", "7", `{"metadata":`, `{"spec":7}`, `{"spec":null}`, `{"metadata":{"name":7},"spec":{"x":[{}]}}`, "\xff\x00"} {
			what := fmt.Sprintf("an object of %s with the JSON %q", resource, text)
			o, err := in.handle(false, true, &abi.ObjectPut{Resource: resource, Namespace: "ns", Name: "unreadable", UID: "u", JSON: []byte(text)})
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			if o.code != abi.Commit && o.code != abi.CannotDo {
				return fmt.Errorf("%s: sluice_handle returns %d, which ends the module", what, o.code)
			}
		}
	}
	gone := make([]abi.Event, 0, len(k.manifest.Resources))
	for _, resource := range k.manifest.Resources {
		gone = append(gone, &abi.ObjectDelete{Resource: resource, Namespace: "ns", Name: "unreadable", UID: "u"})
	}
	if _, err := in.must("a delete of objects that cannot be read", false, true, gone...); err != nil {
		return err
	}
	o, err := in.must("the whole state after objects that cannot be read", true, false, whole...)
	if err == nil && !o.delta.Empty() {
		err = errors.New("objects that cannot be read leave something when they are gone: " + named(o.delta))
	}
	return err
}

// Section 6: a reader must refuse what is not the encoding.
func unreadableBatch(ctx context.Context, k *kit) error {
	for _, c := range []struct {
		what  string
		batch []byte
	}{
		{"a batch cut short", []byte{0x08, 1, 0x10, 1, 0x1a, 5, 0x12}},
		{"a field of a wrong wire type", []byte{0x08, 1, 0x18, 1}},
	} {
		in, err := k.start(ctx)
		if err != nil {
			return err
		}
		o, err := in.handleBytes(c.batch, true, false)
		in.end()
		if err == nil && (o.code == abi.Commit || o.code == abi.CannotDo) {
			return fmt.Errorf("%s: sluice_handle returns %d; it must be fatal: return 2 or more, or trap", c.what, o.code)
		}
	}
	return nil
}

// Section 4: after a refusal a module should return 1, must not return 0, and
// makes up for it with the reset that follows.
func refusals(ctx context.Context, k *kit) error {
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	whole := k.full().snapshot(nil)
	o, err := in.must("the whole state", true, true, whole...)
	if err != nil {
		return err
	}
	if len(o.emitted) == 0 {
		return skip("the module emits nothing for these objects")
	}
	for _, code := range []abi.EmitError{abi.Malformed, abi.TooLarge, abi.NotGranted, abi.Quota, abi.UnknownSet, -99} {
		in.refuse = code
		o, err := in.handle(true, false, whole...)
		if err != nil {
			return fmt.Errorf("after emit has answered %d: %w", code, err)
		}
		if o.code != abi.CannotDo {
			return fmt.Errorf("after emit has answered %d sluice_handle returns %d, want 1", code, o.code)
		}
		o, err = in.must(fmt.Sprintf("the reset after emit has answered %d", code), true, true, whole...)
		if err != nil {
			return err
		}
		if !o.delta.Empty() {
			return fmt.Errorf("the reset after emit has answered %d does not make up for it: %s", code, named(o.delta))
		}
	}
	return nil
}

// largeStateObjects is how many objects a large state has, of all resources.
const largeStateObjects = 3000

// Section 7: many objects are handled within the limits that the manifest asks
// for, or given up because of them.
func largeState(ctx context.Context, k *kit) error {
	objects := k.objects()
	if len(objects) == 0 {
		return skip("the module watches no resources")
	}
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	w := k.newWorld()
	for size, i := 0, 0; i < largeStateObjects && size < 16<<20; i++ {
		o := objects[i%len(objects)]
		o = renamed(o, o.Namespace, fmt.Sprintf("%.40s-%d", o.Name, i))
		w.objects[key(o)] = o
		size += len(o.JSON)
	}
	o, err := in.handle(true, true, w.snapshot(nil)...)
	if err != nil {
		return fmt.Errorf("%d objects: %w", len(w.objects), err)
	}
	if o.code != abi.Commit && !(o.code == abi.CannotDo && o.refused != nil) {
		return fmt.Errorf("%d objects: sluice_handle returns %d", len(w.objects), o.code)
	}
	return nil
}

// A module that keeps something of every batch ends at its limit some day.
func manyBatches(ctx context.Context, k *kit) error {
	in, err := k.borrow(ctx)
	if err != nil {
		return err
	}
	defer in.giveBack()
	const warm, batches, allowed = 200, 600, 16 << 20
	whole := k.full().snapshot(nil)
	if _, err := in.must("the whole state", true, true, whole...); err != nil {
		return err
	}
	var before uint64
	for n := range batches {
		events := whole[1:]
		if n%100 == 0 {
			events = whole
		}
		if len(events) > 20 && n%100 != 0 {
			events = events[(n*20)%(len(events)-19):][:20]
		}
		if _, err := in.must(fmt.Sprintf("batch %d", n), n%100 == 0, true, slices.Clone(events)...); err != nil {
			return err
		}
		usage, err := in.process.Usage()
		if err != nil {
			return err
		}
		if n == warm {
			before = uint64(usage.RSS)
		}
		if n == batches-1 && uint64(usage.RSS) > before+allowed {
			return fmt.Errorf("the process has %d MiB after %d batches and %d MiB after %d: something is kept of each", before>>20, warm, usage.RSS>>20, batches)
		}
	}
	return nil
}
