package openflow

import (
	"context"
	"sync"
)

// mailbox holds messages for one waiting call. Putting never blocks, so a slow caller does not hold up the reader.
type mailbox struct {
	mu    sync.Mutex
	queue []message
	limit int  // if not zero, how many messages may wait
	lost  bool // some did not fit
	wake  chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func (m *mailbox) put(msg message) {
	m.mu.Lock()
	if m.limit == 0 || len(m.queue) < m.limit {
		m.queue = append(m.queue, msg)
	} else {
		m.lost = true
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// takeAll returns what has come so far, without waiting.
func (m *mailbox) takeAll() []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	queue := m.queue
	m.queue = nil
	return queue
}

func (m *mailbox) take() (message, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return message{}, false
	}
	msg := m.queue[0]
	m.queue[0] = message{} // a part of a dump may be large
	m.queue = m.queue[1:]
	return msg, true
}

// hasLost says whether messages were lost since it was asked last.
func (m *mailbox) hasLost() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := m.lost
	m.lost = false
	return lost
}

// receive waits for the next message in the mailbox.
func (c *Conn) receive(ctx context.Context, m *mailbox) (message, error) {
	for {
		if msg, ok := m.take(); ok {
			return msg, nil
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return message{}, ctx.Err()
		case <-c.done:
			// What came before the end still counts.
			if msg, ok := m.take(); ok {
				return msg, nil
			}
			return message{}, c.err
		}
	}
}
