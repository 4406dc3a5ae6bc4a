package attach

import (
	"context"
	"sync"
)

// queue lets one request per Pod run at a time, and a bounded number in all.
type queue struct {
	slots chan struct{}
	mu    sync.Mutex
	pods  map[podKey]*turn
}

// turn is a Pod's place: whoever can put something in the channel has it.
type turn struct {
	busy    chan struct{}
	waiting int
}

func newQueue(concurrent int) *queue {
	return &queue{slots: make(chan struct{}, concurrent), pods: map[podKey]*turn{}}
}

// enter waits for a slot and the Pod's turn. The error is ctx's.
func (q *queue) enter(ctx context.Context, pod podKey) (leave func(), err error) {
	unlock, err := q.lock(ctx, pod)
	if err != nil {
		return nil, err
	}
	select {
	case q.slots <- struct{}{}:
		return func() { <-q.slots; unlock() }, nil
	case <-ctx.Done():
		unlock()
		return nil, context.Cause(ctx)
	}
}

func (q *queue) lock(ctx context.Context, pod podKey) (unlock func(), err error) {
	q.mu.Lock()
	t := q.pods[pod]
	if t == nil {
		t = &turn{busy: make(chan struct{}, 1)}
		q.pods[pod] = t
	}
	t.waiting++
	q.mu.Unlock()
	forget := func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(q.pods, pod)
		}
	}
	select {
	case t.busy <- struct{}{}:
		return func() { <-t.busy; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, context.Cause(ctx)
	}
}

// tryLock takes the Pod's turn only if nobody has it, for a caller that has another Pod's already.
func (q *queue) tryLock(pod podKey) (unlock func(), ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pods[pod] != nil {
		return nil, false
	}
	t := &turn{busy: make(chan struct{}, 1), waiting: 1}
	t.busy <- struct{}{}
	q.pods[pod] = t
	return func() {
		<-t.busy
		q.mu.Lock()
		defer q.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(q.pods, pod)
		}
	}, true
}
