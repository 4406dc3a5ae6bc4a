package attach

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestQueueIsSerialForAPodAndBoundedInAll(t *testing.T) {
	q := newQueue(2)
	var inAll, most atomic.Int32
	perPod := make([]atomic.Int32, 4)
	var group sync.WaitGroup
	for i := range 400 {
		pod := i % len(perPod)
		group.Go(func() {
			leave, err := q.enter(t.Context(), podKey{"n", string(rune('a' + pod))})
			if err != nil {
				t.Error(err)
				return
			}
			if n := perPod[pod].Add(1); n != 1 {
				t.Errorf("%d requests of one Pod at once", n)
			}
			n := inAll.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			inAll.Add(-1)
			perPod[pod].Add(-1)
			leave()
		})
	}
	group.Wait()
	if most.Load() > 2 {
		t.Errorf("%d requests at once, want at most 2", most.Load())
	}
	if len(q.pods) != 0 {
		t.Errorf("%d Pods are remembered", len(q.pods))
	}
}

func TestQueueStopsWaitingWithTheContext(t *testing.T) {
	q := newQueue(1)
	pod := podKey{"n", "a"}
	leave, err := q.enter(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.enter(ctx, pod); !errors.Is(err, context.Canceled) {
		t.Errorf("the Pod's turn: %v", err)
	}
	if _, err := q.enter(ctx, podKey{"n", "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a slot: %v", err)
	}
	if _, ok := q.tryLock(pod); ok {
		t.Error("the Pod's turn was given twice")
	}
	leave()
	unlock, ok := q.tryLock(pod)
	if !ok {
		t.Fatal("the Pod's turn is not free")
	}
	unlock()
	if len(q.pods) != 0 {
		t.Errorf("%d Pods are remembered", len(q.pods))
	}
}
