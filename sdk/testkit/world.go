package testkit

import (
	"cmp"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// The time at which tests begin: any would do, but always the same.
const testTime = 1_795_393_658_000_000_000

// world is the state of a cluster, as far as the module is told of it.
type world struct {
	kit     *kit
	objects map[string]*abi.ObjectPut
	tick    int64
}

func (k *kit) newWorld() *world {
	return &world{kit: k, objects: map[string]*abi.ObjectPut{}, tick: testTime}
}

// full is a world with all objects in it.
func (k *kit) full() *world {
	w := k.newWorld()
	for _, o := range k.objects() {
		w.objects[key(o)] = o
	}
	return w
}

func key(o *abi.ObjectPut) string { return o.Resource + "/" + o.Namespace + "/" + o.Name }

// snapshot is the whole state; arrange puts the objects into another order.
func (w *world) snapshot(arrange func([]*abi.ObjectPut)) []abi.Event {
	list := slices.SortedFunc(maps.Values(w.objects), func(a, b *abi.ObjectPut) int { return cmp.Compare(key(a), key(b)) })
	if arrange != nil {
		arrange(list)
	}
	events := []abi.Event{&abi.Configure{JSON: w.kit.Config}}
	if w.kit.manifest.TickSeconds > 0 {
		events = append(events, &abi.Tick{UnixNanos: w.tick})
	}
	for _, o := range list {
		events = append(events, o)
	}
	return events
}

// change is a batch of something that happens.
func (w *world) change(random *rand.Rand) []abi.Event {
	all := w.kit.objects()
	var events []abi.Event
	for range 1 + random.IntN(4) {
		if period := w.kit.manifest.TickSeconds; period > 0 && random.IntN(4) == 0 {
			w.tick += int64(period) * 1_000_000_000 * int64(1+random.IntN(500))
			events = append(events, &abi.Tick{UnixNanos: w.tick})
		}
		if len(all) == 0 {
			continue
		}
		o := all[random.IntN(len(all))]
		if random.IntN(3) == 0 {
			delete(w.objects, key(o))
			events = append(events, &abi.ObjectDelete{Resource: o.Resource, Namespace: o.Namespace, Name: o.Name, UID: o.UID})
			continue
		}
		// Now and then it has the content of another of its kind.
		if other := all[random.IntN(len(all))]; other.Resource == o.Resource && random.IntN(2) == 0 {
			o = renamed(other, o.Namespace, o.Name)
		}
		w.objects[key(o)] = o
		events = append(events, o)
	}
	return events
}

// renamed is an object with the content of another under its own name.
func renamed(o *abi.ObjectPut, namespace, name string) *abi.ObjectPut {
	r := *o
	r.Namespace, r.Name, r.UID = namespace, name, namespace+"/"+name
	var content map[string]any
	if json.Unmarshal(o.JSON, &content) != nil {
		return &r
	}
	if o.Resource == abi.DNSAnswers {
		content["name"] = name
	}
	metadata, _ := content["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["name"] = name
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	content["metadata"] = metadata
	if text, err := json.Marshal(content); err == nil {
		r.JSON = text
	}
	return &r
}
